"""Every task type that our own workers serve, by each of our own providers, through the API."""

import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from local_stack.every_task import EveryTask
from tests.fixtures.platform import Platform

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


async def test_demo_of_all_tasks_completes_them_and_draws_a_sheet(
    platform: Platform, tmp_path: Path
) -> None:
    screen = Console(file=io.StringIO(), width=200)
    stack = platform.stack
    await EveryTask(stack.endpoints, stack.api_key, screen).run(tmp_path, seed=7)

    pictures = {
        file.stem: Image.open(io.BytesIO(file.read_bytes())) for file in tmp_path.glob("*.png")
    }
    assert pictures.pop("tasks").height > 8 * 160
    assert {name: (one.mode, one.size) for name, one in pictures.items()} == _SIZES
