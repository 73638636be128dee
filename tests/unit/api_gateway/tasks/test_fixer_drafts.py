"""The fixers' seeds, in `config`, are chosen when the task is created, like all seeds."""

from typing import Any

import pytest

from api_gateway.auth.ownership import Origin
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.detail_enhancer import CreateDetailEnhancerTask
from api_gateway.tasks.schemas.face_enhancer import CreateFaceEnhancerTask
from shared.db.models.tables import Task
from shared.settings import ModelSettings

IMAGE = "https://images.example.com/a.jpg"
FACE = (CreateFaceEnhancerTask, {"input_image": IMAGE})
DETAIL = (CreateDetailEnhancerTask, {"base_image": IMAGE, "reference_image": IMAGE})


def draft(kind: tuple[type[CreateTaskBase], dict[str, Any]], **fields: Any) -> Task:
    schema, body = kind
    request = schema.model_validate({"origin_instance": "shop", **body, **fields})
    task, faults = draft_task(request, Origin("shop", None, None, None), ModelSettings())
    assert faults == []
    return task


@pytest.mark.parametrize("kind", [FACE, DETAIL], ids=["face", "detail"])
@pytest.mark.parametrize("config", [{}, {"config": {"seed": None, "denoise": 0.2}}])
def test_a_seed_is_chosen_where_none_is_given(kind: Any, config: dict[str, Any]) -> None:
    first, second = draft(kind, **config), draft(kind, **config)
    assert first.config["seed"] >= 0
    assert first.config["seed"] != second.config["seed"]


def test_a_seed_that_is_given_stays() -> None:
    assert draft(FACE, config={"seed": 7}).config == {"seed": 7}


def test_other_providers_configurations_are_theirs() -> None:
    outside = draft(DETAIL, provider_type="fal_garment_fixer")
    assert outside.config == {}
