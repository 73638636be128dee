"""The provider registry is consistent."""

import pytest

from shared.contracts.enums import AnswerMode, ProviderType
from shared.contracts.providers import PROVIDERS, Provider

ROWS = pytest.mark.parametrize(("name", "provider"), list(PROVIDERS.items()))
AT_ONCE = {ProviderType.VERTEX, ProviderType.AI_CORE}


def test_every_provider_has_a_row() -> None:
    assert set(PROVIDERS) == set(ProviderType)


@ROWS
def test_providers_whose_work_is_submitted_state_how_they_respond(
    name: ProviderType, provider: Provider
) -> None:
    is_submitted = {queue.startswith("provider-") for queue in provider.queues.values()}
    assert is_submitted == {provider.is_remote}
    expected = AnswerMode.AT_ONCE if name in AT_ONCE else AnswerMode.QUEUED
    assert provider.answers == (expected if provider.is_remote else None)
