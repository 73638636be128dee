"""The demo of every task: those of our own workers, and those of providers at the sandbox."""

import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from local_stack.every_task import EveryTask
from local_stack.frames import first_and_last
from local_stack.settings import Providers
from shared.contracts.enums import AiProvider
from tests.fixtures.provider_platform import ProviderPlatform

_SIZES = {
    "generation_0": ("RGB", (64, 64)),
    "editing_local_0": ("RGB", (64, 64)),
    "refine_local_0": ("RGB", (128, 128)),
    "refine_0": ("RGB", (256, 256)),
    "face_enhancer_0": ("RGB", (512, 512)),
    "detail_enhancer_0": ("RGB", (512, 512)),
    "background_remove_0": ("RGBA", (512, 512)),
    "background_remove_1": ("RGBA", (64, 64)),
    "background_fix_0": ("RGB", (512, 512)),
    "image_adjuster_0": ("RGB", (320, 400)),
}
_SIZES_AT_SANDBOX = {
    "generation_fal_standard_0": ("RGB", (384, 512)),
    "editing_fal_standard_0": ("RGB", (880, 1184)),
    "refine_fal_standard_0": ("RGB", (384, 384)),
    "experimental_fal_0": ("RGB", (192, 192)),
    "refine_fal_shootify_refiner_0": ("RGB", (384, 384)),
    "detail_enhancer_fal_garment_fixer_0": ("RGB", (384, 384)),
    "editing_fashn_standard_0": ("RGB", (864, 1296)),
    "refine_freepik_magnific_0": ("RGB", (384, 384)),
    "refine_freepik_magnific_precision_0": ("RGB", (384, 384)),
    "generation_vertex_0": ("RGB", (896, 1200)),
    "editing_0": ("RGB", (896, 1200)),
    "refine_nano_banana_upscaler_0": ("RGB", (384, 384)),
    "refine_vertex_0": ("RGB", (384, 384)),
    "face_enhancer_vertex_0": ("RGB", (512, 512)),
    "detail_enhancer_vertex_0": ("RGB", (512, 512)),
}
_TEXTS = [
    "llm_interaction_vertex",
    *(f"{kind}_{vendor}" for kind in ("llm_interaction", "evaluation") for vendor in AiProvider),
]


async def test_demo_of_all_tasks_completes_them_and_draws_a_sheet(
    providers: ProviderPlatform, tmp_path: Path
) -> None:
    text = io.StringIO()
    screen = Console(file=text, width=200)
    stack = providers.platform.stack
    demo = EveryTask(stack.endpoints, stack.api_key, screen, providers=Providers.SANDBOX)
    await demo.run(tmp_path, seed=7)

    pictures = {
        file.stem: Image.open(io.BytesIO(file.read_bytes())) for file in tmp_path.glob("*.png")
    }
    sheet = pictures.pop("tasks")
    assert sheet.width > 3 * 160 * 3
    assert sheet.height > 12 * 160
    sizes = {name: (one.mode, one.size) for name, one in pictures.items()}
    assert sizes == _SIZES | _SIZES_AT_SANDBOX
    video = (tmp_path / "video_generation.mp4").read_bytes()
    assert [one.size for one in first_and_last(video)] == [(320, 320)] * 2
    assert "video_generation (sandbox)" in text.getvalue()
    lines = [line.split() for line in text.getvalue().splitlines()]
    texts = [line[0] for line in lines if line[2:] == ["COMPLETED,", "a", "text"]]
    assert sorted(texts) == sorted(_TEXTS)
