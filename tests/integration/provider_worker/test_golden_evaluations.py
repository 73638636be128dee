"""The requests of evaluations as committed: the vendors' clients write them from one chat."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.evaluation.prompt import chat_of
from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationProvider
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox
from tests.fixtures.vision import open_vision
from tests.fixtures.workflow_runs import evaluation

_GOLDEN = Path(__file__).parents[2] / "golden/providers/evaluation"
_KEY = "evaluations/a.png"
_PICTURE = ("data:image/jpeg;base64,", "/9j/", "picture:")
_RULES = chat_of(
    (b"", ""), model="", with_descriptions=False, custom_instructions=None
).instructions


def _shown(value: Any) -> Any:
    """Return a body with its picture and the rules replaced by a word."""
    if isinstance(value, dict):
        return {name: _shown(part) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shown(part) for part in cast("list[Any]", value)]
    if value == _RULES:
        return "(rules)"
    return "(picture)" if isinstance(value, str) and value.startswith(_PICTURE) else value


@pytest.mark.parametrize(
    ("name", "vendor", "api"),
    [
        ("openai-responses", AiProvider.OPENAI, "responses"),
        ("openai-chat", AiProvider.OPENAI, "chat"),
        ("anthropic", AiProvider.ANTHROPIC, "responses"),
        ("gemini", AiProvider.GEMINI, "responses"),
        ("ollama", AiProvider.OLLAMA, "responses"),
    ],
)
async def test_request_is_as_committed(
    fal: OpenSandbox, objects: MemoryObjectStore, name: str, vendor: AiProvider, api: str
) -> None:
    await objects.put(_KEY, picture(), "image/png")
    job = evaluation(
        provider=EvaluationProvider(vendor),
        image_path=_KEY,
        custom_instructions="Look at the hands.",
        include_descriptions=True,
    )
    async with open_vision(objects, {vendor: fal.url}, api=api) as vision:
        await ActivityEnvironment().run(vision.evaluation.evaluate_image, job)
    (entry,) = fal.ledger.entries.values()
    (request,) = [each for each in fal.ledger.requests if each.startswith("POST")]
    sent = {"request": request, "body": _shown(entry.input)}
    assert sent == json.loads((_GOLDEN / f"{name}.json").read_text())
    assert not fal.ledger.strays
