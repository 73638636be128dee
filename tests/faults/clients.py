"""Clients of the API that repeat a request with its key until it is accepted."""

import asyncio
import base64
import io
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from local_stack.drawn_garments import draw_dresses
from tests.faults.rig import STEP_S

TILES = 9
"""Tiles of a refinement by an outside provider."""
_AGAIN_S = 0.2
_PATIENCE_S = 90
_FAL = {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}
_REMOTE = ("fal_app_id", "'vertex'", "'ai_core'")
"""Words by which the body of paid work is known."""
_REPEATED = frozenset({409, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Work:
    """A request that creates something."""

    path: str
    body: dict[str, Any]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The Idempotency-Key, and a marker in the record."""
    is_keyed: bool = True
    """True: the key is sent; False: the request is sent once, without it."""
    file: bytes | None = None
    """Sent as a form; None: the body is sent as JSON."""

    @property
    def is_remote(self) -> bool:
        """True where an external provider does the work and is paid."""
        return any(name in str(self.body) for name in _REMOTE)


def task(seconds: float = STEP_S, **fields: Any) -> Work:
    """Return a GENERATION that takes a number of seconds."""
    key = uuid.uuid4().hex
    body = _generation(seconds) | {"task_type": "GENERATION", "origin_reference": key}
    return Work("/api/v1/tasks/", body | {"origin_instance": "faults"} | fields, key)


def chain(num_steps: int, seconds: float = STEP_S) -> Work:
    """Return a workflow whose steps each start from the picture of the previous one."""
    key = uuid.uuid4().hex
    steps: list[dict[str, Any]] = []
    for number in range(num_steps):
        step: dict[str, Any] = {
            "id": f"step_{number}",
            "task_type": "GENERATION",
            "config": _generation(seconds),
        }
        if number:
            step["depends_on"] = [f"step_{number - 1}"]
            step["input_mappings"] = [
                {
                    "from_step": f"step_{number - 1}",
                    "from_field": "result_image_path",
                    "to_field": "reference_image_url",
                }
            ]
        steps.append(step)
    body = {"name": "a chain", "origin_instance": "faults", "origin_reference": key, "steps": steps}
    return Work("/api/v1/workflows/", body, key)


def training(steps: int = 20) -> Work:
    """Return a LoRA training; its trigger word is its key.

    No caption has the trigger word, so all trainings of as many steps have the same weights.
    """
    key = uuid.uuid4().hex
    body = {
        "trigger_word": key,
        "preprocessing_captioning_strategy": "none",
        "source_images": dresses(),
        "steps": steps,
        "learning_rate": 0.003,
        "origin_instance": "faults",
    }
    return Work("/api/v1/training/", body, key)


@cache
def dresses() -> list[str]:
    """Return six small PNGs as data URLs."""
    return [_data_url(dress.resize((64, 64))) for dress in draw_dresses(6)]


def remote_task() -> Work:
    """Return a GENERATION by fal; its prompt is its key, which the ledger records."""
    work = task(provider_config=_FAL)
    return Work(work.path, work.body | {"prompt": work.key}, work.key)


def vertex_task() -> Work:
    """Return a GENERATION by Gemini, which responds with the picture; its prompt is its key."""
    work = task(provider_config={"provider_type": "vertex", "image_size": "1K"})
    return Work(work.path, work.body | {"prompt": work.key, "config": {}}, work.key)


def chat_task(vendor: str, model: str) -> Work:
    """Return an LLM_INTERACTION; its prompt is its key.

    Args:
        vendor: value of `ai_provider`.
        model: one of its models.
    """
    key = uuid.uuid4().hex
    chat = {"provider_type": "ai_core", "ai_provider": vendor, "model": model}
    body = {"task_type": "LLM_INTERACTION", "prompt": key, "provider_config": chat}
    return Work(
        "/api/v1/tasks/", body | {"origin_instance": "faults", "origin_reference": key}, key
    )


def remote_refinement() -> Work:
    """Return a REFINE in nine tiles, each edited by Gemini; its prompt is its key."""
    key = uuid.uuid4().hex
    body = {
        "task_type": "REFINE",
        "base_image_url": f"data:image/png;base64,{picture_text(192)}",
        "upscale_factor": 2,
        "upscale_prompt": key,
        "config": {"editor": "vertex"},
        "provider_config": {"provider_type": "sartiq_ultimate_refiner", "num_tiles": TILES},
        "origin_instance": "faults",
        "origin_reference": key,
    }
    return Work("/api/v1/tasks/", body, key)


def remote_workflow() -> Work:
    """Return a workflow with one step, by fal."""
    work = chain(1)
    [step] = work.body["steps"]
    config = step["config"] | {"prompt": work.key}
    steps = [step | {"config": config, "provider_config": _FAL}]
    return Work(work.path, work.body | {"steps": steps}, work.key)


def evaluation() -> Work:
    """Return an evaluation; its instructions are its key, which the ledger records."""
    key = uuid.uuid4().hex
    body = {
        "image_data": picture_text(),
        "expected_framing": "full_body",
        "expected_view_angle": "front",
        "custom_instructions": key,
    }
    return Work("/api/v1/evaluation/", body, key)


def lora(content: bytes) -> Work:
    """Return an upload of a pickled LoRA; its name is its key."""
    return Work("/api/v1/lora/upload", {}, file=content)


def app_task() -> Work:
    """Return a run of an app on fal, whose ledger records its key."""
    key = uuid.uuid4().hex
    body = {"task_type": "EXPERIMENTAL_FAL", "origin_instance": "faults", "origin_reference": key}
    return Work("/api/v1/tasks/", body | _app(key), key)


def app_chain(to_field: str, **mapping: Any) -> Work:
    """Return a workflow of an app and another one that gets a value of its response."""
    key = uuid.uuid4().hex
    link = {"from_step": "first", "to_field": to_field} | mapping
    kind = {"task_type": "EXPERIMENTAL_FAL"}
    steps = [
        kind | {"id": "first", "config": _app(key)},
        kind | {"id": "second", "config": _app(uuid.uuid4().hex), "input_mappings": [link]},
    ]
    body = {"name": "apps", "origin_instance": "faults", "origin_reference": key, "steps": steps}
    return Work("/api/v1/workflows/", body, key)


def _app(marker: str) -> dict[str, Any]:
    return {"fal_app_id": "acme/anything", "fal_parameters": {"marker": marker}}


def mixture() -> list[Work]:
    """Return work of every kind that takes long enough to be running a moment later."""
    return [
        *(task(seconds) for seconds in (0.02, 0.1, 0.2, 0.3, 0.5)),
        task(reference_image_data=picture_text()),
        remote_task(),
        remote_task(),
        chain(3),
        chain(2, seconds=0.3),
    ]


def picture(side_px: int = 64) -> bytes:
    """Return a small PNG, no part of which is like another."""
    content = io.BytesIO()
    down = Image.linear_gradient("L").resize((side_px, side_px))
    across = down.transpose(Image.Transpose.ROTATE_90)
    Image.merge("RGB", (down, across, down)).save(content, "PNG")
    return content.getvalue()


def _data_url(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def picture_text(side_px: int = 64) -> str:
    """Return a small PNG in base64."""
    return base64.b64encode(picture(side_px)).decode()


def _generation(seconds: float) -> dict[str, Any]:
    return {
        "prompt": "a red dress",
        "width": 64,
        "height": 64,
        "seed": 7,
        "config": {"num_inference_steps": max(round(seconds / STEP_S), 1)},
    }


@dataclass
class Clients:
    """The requests to the API, and those that it accepted."""

    api: httpx.AsyncClient
    asked: list[Work] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """Keys of successful requests."""
    accepted: dict[str, UUID] = field(default_factory=dict)
    """Ids of 201 responses, by key."""
    accepted_at: dict[UUID, float] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)

    async def ask(self, work: Work) -> dict[str, Any]:
        """Send a request until it is accepted, also after a lost response or a 503."""
        self.asked.append(work)
        deadline = time.monotonic() + _PATIENCE_S
        while (taken := await self._try(work)) is None:
            assert work.is_keyed, f"refused, and not to be repeated: {self.answers}"
            assert time.monotonic() < deadline, f"never accepted; responses so far: {self.answers}"
            await asyncio.sleep(_AGAIN_S)
        self.taken.add(work.key)
        return taken

    async def submit(self, work: Work) -> UUID:
        """Send a request that creates a record, until it is accepted."""
        accepted = UUID((await self.ask(work))["id"])
        self.accepted_at.setdefault(accepted, time.time())
        known = self.accepted.setdefault(work.key, accepted)
        assert known == accepted, f"{work.key} returned {known}, then with {accepted}"
        return accepted

    async def submit_all(self, works: Sequence[Work]) -> list[UUID]:
        """Submit all at once."""
        return await asyncio.gather(*(self.submit(work) for work in works))

    async def _try(self, work: Work) -> dict[str, Any] | None:
        headers = {"Idempotency-Key": work.key} if work.is_keyed else {}
        sent: dict[str, Any] = {"json": work.body}
        if work.file is not None:
            sent = {"files": {"file": (f"{work.key}.pt", work.file)}}
        try:
            # Without a key it cannot be repeated, so that it is waited for on a busy machine, too.
            timeout = httpx.USE_CLIENT_DEFAULT if work.is_keyed else httpx.Timeout(_PATIENCE_S)
            answer = await self.api.post(work.path, headers=headers, timeout=timeout, **sent)
        except httpx.TransportError:
            return None
        self.answers[answer.status_code] += 1
        if answer.status_code in _REPEATED:
            return None
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json()
