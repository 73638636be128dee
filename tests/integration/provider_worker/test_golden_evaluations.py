"""The requests of evaluations as committed: the vendors' clients write them from one chat."""

import json
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationProvider
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox
from tests.fixtures.vision import open_vision, shown_body
from tests.fixtures.workflow_runs import evaluation

_GOLDEN = Path(__file__).parents[2] / "golden/providers/evaluation"
_KEY = "evaluations/a.png"


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
    sent = {"request": request, "body": shown_body(entry.input)}
    assert sent == json.loads((_GOLDEN / f"{name}.json").read_text())
    assert not fal.ledger.strays
