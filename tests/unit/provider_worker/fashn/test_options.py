import pytest

from provider_worker.sandbox.schemas.tables import read_table
from shared.contracts.fashn_options import OPTIONS

_PUBLISHED = read_table("fashn")


@pytest.mark.parametrize("model_name", list(OPTIONS))
def test_every_key_is_one_of_the_published_schema(model_name: str) -> None:
    assert OPTIONS[model_name].keys() <= _PUBLISHED[model_name].model.model_fields.keys()
