"""The editor of a request, or of the settings, decides the queue of tiled tasks."""

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.detail_enhancer import CreateDetailEnhancerTask
from api_gateway.tasks.schemas.face_enhancer import CreateFaceEnhancerTask
from api_gateway.tasks.schemas.refine import CreateRefineTask
from shared.contracts.editors import EditorKind
from shared.contracts.enums import TaskQueue
from shared.db.models.tables import Task
from shared.settings import ModelSettings
from workflows.starts import task_run

IMAGE = "https://images.example.com/a.jpg"
REFINE = (CreateRefineTask, {"base_image_url": IMAGE, "upscale_factor": 2})
FACE = (CreateFaceEnhancerTask, {"input_image": IMAGE})
DETAIL = (CreateDetailEnhancerTask, {"base_image": IMAGE, "reference_image": IMAGE})
TILED = pytest.mark.parametrize("kind", [REFINE, FACE, DETAIL], ids=["refine", "face", "detail"])
Kind = tuple[type[CreateTaskBase], dict[str, Any]]


def draft(
    kind: Kind, editor: EditorKind = EditorKind.STRENGTH, **fields: Any
) -> tuple[Task, list[Fault]]:
    schema, body = kind
    request = schema.model_validate({"origin_instance": "shop", **body, **fields})
    return draft_task(request, Origin("shop", None, None, None), ModelSettings(editor=editor))


@TILED
def test_edits_by_a_providers_model_hold_no_gpu(kind: Kind) -> None:
    task, faults = draft(kind, config={"editor": "vertex"})
    assert (task.queue_name, faults) == (TaskQueue.INFERENCE_CPU, [])


@TILED
@pytest.mark.parametrize("config", [{}, {"editor": "strength"}, {"editor": "instruct"}])
def test_edits_by_the_local_model_need_one(kind: Kind, config: dict[str, Any]) -> None:
    task, faults = draft(kind, config=config)
    assert (task.queue_name, faults) == (TaskQueue.INFERENCE, [])


@TILED
def test_the_settings_editor_is_written_into_the_task(kind: Kind) -> None:
    task, faults = draft(kind, EditorKind.VERTEX)
    assert (task.queue_name, faults) == (TaskQueue.INFERENCE_CPU, [])
    assert task.config["editor"] == "vertex"
    chosen, _ = draft(kind, EditorKind.VERTEX, config={"editor": "instruct"})
    assert (chosen.queue_name, chosen.config["editor"]) == (TaskQueue.INFERENCE, "instruct")


def test_other_providers_have_no_editor() -> None:
    provider = {"provider_type": "freepik_magnific"}
    task, _ = draft(REFINE, EditorKind.VERTEX, provider_config=provider)
    assert (task.queue_name, task.warnings) == (TaskQueue.PROVIDER_FREEPIK, None)
    assert "editor" not in task.config


@TILED
def test_an_unknown_editor_is_refused(kind: Kind) -> None:
    with pytest.raises(ValidationError, match="editor"):
        draft(kind, config={"editor": "photoshop"})


def test_nano_banana_is_refined_by_our_own_worker() -> None:
    task, faults = draft(REFINE, provider_type="nano_banana_upscaler")
    assert (task.queue_name, faults) == (TaskQueue.INFERENCE_CPU, [])


@TILED
def test_local_work_is_not_sent_to_the_queue_without_a_model(kind: Kind) -> None:
    _, (fault,) = draft(kind, queue_name="inference-cpu")
    assert fault.loc == ("queue_name",)
    task, faults = draft(kind, queue_name="inference-cpu", config={"editor": "vertex"})
    assert (task.queue_name, faults) == (TaskQueue.INFERENCE_CPU, [])


def test_a_fallback_to_our_refiner_has_the_editor_too() -> None:
    fallback = {"fallback_provider_type": "sartiq_ultimate_refiner"}
    provider = {"provider_type": "freepik_magnific"}
    task, _ = draft(REFINE, config={"editor": "vertex"}, provider_config=provider, **fallback)
    run = task_run(task)
    assert run.fallback is not None
    assert run.fallback.task_queue == TaskQueue.INFERENCE_CPU
