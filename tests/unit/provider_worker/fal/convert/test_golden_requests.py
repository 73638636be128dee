"""The requests of each app equal committed ones, from the vendor's client or from its types."""

import json
from pathlib import Path
from typing import Any

import pytest

from provider_worker.fal.convert.dispatch import fal_call
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fal_apps.table import known_apps
from shared.contracts.submissions import RemoteWork
from tests.fixtures.fal_work import BASE, LORA, REFERENCE, SIZES, URLS, fal_work

GOLDEN = Path(__file__).parents[4] / "golden/providers/fal"
GENERATION, EDITING, REFINE = TaskType.GENERATION, TaskType.EDITING, TaskType.REFINE
VIDEO = TaskType.VIDEO_GENERATION
_STEPS = {"num_inference_steps": 28, "guidance_scale": 3.5}
_REFERENCES = {"reference_images": [REFERENCE]}
_TURN: dict[str, Any] = {"input_image_url": BASE, "negative_prompt": "blur"}
_KLING = "fal-ai/kling-video"
_TALL = {"config": {"aspect_ratio": "9:16"}}


def _refine(app_id: str | None = None, **inputs: Any) -> RemoteWork:
    return fal_work(
        REFINE, app_id, **{"upscale_prompt": "masterpiece", "upscale_steps": 18} | inputs
    )


CASES: dict[str, RemoteWork] = {
    "flux-dev": fal_work(GENERATION, config=_STEPS | {"num_images": 2}),
    "flux-lora": fal_work(GENERATION, config=_STEPS, lora_objects={"subject_model_path": LORA}),
    "flux-lora-i2i": fal_work(GENERATION, reference_image_url=BASE),
    "flux-dev-i2i": fal_work(
        GENERATION, "fal-ai/flux/dev/image-to-image", reference_image_url=BASE
    ),
    "kontext": fal_work(EDITING, width=960, config={"safety_tolerance": "2"}),
    "kontext-multi": fal_work(
        EDITING, **_REFERENCES, width=960, prompt="dress the first as the second"
    ),
    "flux-kontext-dev": fal_work(
        EDITING,
        "fal-ai/flux-kontext/dev",
        config={"num_inference_steps": 20, "guidance_scale": 2.5},
    ),
    "flux-kontext-lora": fal_work(EDITING, "fal-ai/flux-kontext-lora"),
    "nano-banana": fal_work(EDITING, "fal-ai/nano-banana/edit", **_REFERENCES),
    "nano-banana-pro": fal_work(
        EDITING,
        "fal-ai/nano-banana-pro/edit",
        **_REFERENCES,
        config={"resolution": "2K", "system_prompt": "You retouch fashion photographs."},
    ),
    "flux-2": fal_work(
        EDITING, "fal-ai/flux-2/edit", **_REFERENCES, config={"guidance_scale": 2.5}
    ),
    "flux-2-pro": fal_work(EDITING, "fal-ai/flux-2-pro/edit", config={"safety_tolerance": "2"}),
    "qwen-image-edit-plus": fal_work(
        EDITING, "fal-ai/qwen-image-edit-plus", config={"negative_prompt": "blur"}
    ),
    "seedream-v4": fal_work(EDITING, "fal-ai/bytedance/seedream/v4/edit", **_REFERENCES),
    "clarity": _refine(config={"resemblance": 0.6, "guidance_scale": 4}),
    "seedvr": _refine("fal-ai/seedvr/upscale/image"),
    "topaz": _refine(
        "fal-ai/topaz/upscale/image", config={"model": "Standard V2", "face_enhancement": False}
    ),
    "esrgan": _refine("fal-ai/esrgan", config={"face": True}),
    "aura-sr": _refine("fal-ai/aura-sr", upscale_factor=4),
    "ccsr": _refine("fal-ai/ccsr"),
    "flux-vision-upscaler": _refine("fal-ai/flux-vision-upscaler"),
    "kling-v3-i2v": fal_work(VIDEO, **_TURN, duration_seconds=7),
    "kling-v3-t2v": fal_work(VIDEO, **_TALL),
    "kling-v21-i2v": fal_work(VIDEO, f"{_KLING}/v2.1/standard/image-to-video", **_TURN),
    "kling-v26-pro-i2v": fal_work(
        VIDEO,
        f"{_KLING}/v2.6/pro/image-to-video",
        **_TURN,
        duration_seconds=10,
        config={"generate_audio": True},
    ),
    "kling-o3-i2v": fal_work(
        VIDEO, f"{_KLING}/o3/standard/image-to-video", input_image_url=BASE, duration_seconds=7
    ),
    "veo31-i2v": fal_work(
        VIDEO, "fal-ai/veo3.1/image-to-video", **_TURN, **_TALL, duration_seconds=6
    ),
    "hailuo-02-i2v": fal_work(
        VIDEO,
        "fal-ai/minimax/hailuo-02/standard/image-to-video",
        input_image_url=BASE,
        duration_seconds=6,
    ),
    "hailuo-02-pro-t2v": fal_work(
        VIDEO, "fal-ai/minimax/hailuo-02/pro/text-to-video", duration_seconds=6
    ),
    "luma-ray-2-i2v": fal_work(
        VIDEO,
        "fal-ai/luma-dream-machine/ray-2/image-to-video",
        input_image_url=BASE,
        duration_seconds=9,
        **_TALL,
    ),
    "seedance-v1-i2v": fal_work(
        VIDEO,
        "fal-ai/bytedance/seedance/v1/pro/image-to-video",
        input_image_url=BASE,
        duration_seconds=12,
        **_TALL,
    ),
    "seedance-2-t2v": fal_work(
        VIDEO, "bytedance/seedance-2.0/text-to-video", duration_seconds=4, **_TALL
    ),
    "pixverse-v5-t2v": fal_work(
        VIDEO,
        "fal-ai/pixverse/v5/text-to-video",
        negative_prompt="blur",
        duration_seconds=8,
        **_TALL,
    ),
    "app": fal_work(
        TaskType.EXPERIMENTAL_FAL,
        static={"scale": 2},
        fal_parameters={
            "image_url": BASE,
            "layers": [{"of": REFERENCE}, "uploads/b.png"],
            "scale": 1,
        },
        fal_objects=[BASE, REFERENCE],
    ),
    "shootify": _refine(
        "shootify/refiner",
        provider=ProviderType.FAL_SHOOTIFY_REFINER,
        face_detail_enabled=True,
        face_detail_prompt="sharp eyes",
    ),
    "garment": fal_work(
        TaskType.DETAIL_ENHANCER, provider=ProviderType.FAL_GARMENT_FIXER, detail_label="collar"
    ),
}


def _golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_request_equals_the_committed_one(name: str) -> None:
    call = fal_call(CASES[name], URLS, sizes=SIZES, garment_app="acme/garments")
    golden = _golden(name)
    assert f"/{call.app_id}" == golden["path"]
    assert json.loads(json.dumps(call.input)) == golden["body"]


def test_every_committed_request_is_compared_and_says_where_it_is_from() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == CASES.keys()
    sources = {_golden(name)["source"] for name in CASES}
    assert all(source.startswith(("fal-client ", "written by hand")) for source in sources)


def test_every_known_picture_app_and_upscaler_has_a_committed_request() -> None:
    paths = {_golden(name)["path"].removeprefix("/") for name in CASES}
    variants = {"fal-ai/flux-pro/kontext/max", "fal-ai/flux-pro/kontext/max/multi"}
    for task_type in (GENERATION, EDITING, REFINE):
        assert {app.id for app in known_apps(task_type)} - variants <= paths
