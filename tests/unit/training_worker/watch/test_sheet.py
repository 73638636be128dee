"""The contact sheet: bounded in rows; the first and the newest stay."""

import io
from itertools import pairwise

from PIL import Image

from training_worker.watch.sheet import ContactSheet


def _row(colour: str, num: int = 2) -> dict[int, Image.Image]:
    return {number: Image.new("RGB", (64, 64), colour) for number in range(num)}


def test_rows_are_steps_and_columns_prompts() -> None:
    sheet = ContactSheet(["a", "b"])
    sheet.add(0, _row("#ff0000"))
    sheet.add(10, {1: Image.new("RGB", (64, 32), "#0000ff")})

    with Image.open(io.BytesIO(sheet.encode())) as image:
        assert image.size == (96 + 2 * 168, 28 + 2 * 168)
        colours = [image.getpixel((x, y)) for y in (60, 220) for x in (150, 320)]
    near = [tuple(round(level / 255) for level in colour) for colour in colours]
    assert near == [(1, 0, 0), (1, 0, 0), (1, 1, 1), (0, 0, 1)]


def test_many_rows_are_thinned_evenly() -> None:
    sheet = ContactSheet(["a"], max_rows=10)
    for step in range(0, 1000, 10):
        sheet.add(step, _row("white", 1))

    steps = sheet.steps
    distances = [later - step for step, later in pairwise(steps)]
    assert len(steps) == 10
    assert (steps[0], steps[-1]) == (0, 990)
    assert max(distances) <= 2.5 * sorted(distances)[len(distances) // 2]


def test_long_prompts_and_many_columns_fit() -> None:
    sheet = ContactSheet(["a very long prompt " * 20, "靴"] * 50)
    sheet.add(0, _row("white", 100))

    with Image.open(io.BytesIO(sheet.encode())) as image:
        assert image.size == (96 + 12 * 168, 28 + 168)
