"""The documentation's contact sheet: generated garments with their prompts, one colour a row."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from training_worker.swatch.captions import simple_prompt
from training_worker.swatch.colouring import Colour
from training_worker.swatch.data import CLASS_NAMES

_CELL_PX = 128
_LABEL_PX = 18
_CLASSES = tuple(name for name in CLASS_NAMES if name not in {"pullover", "shirt"})
_COLOURS = (
    Colour.RED,
    Colour.ORANGE,
    Colour.YELLOW,
    Colour.GREEN,
    Colour.BLUE,
    Colour.PURPLE,
    Colour.WHITE,
    Colour.BLACK,
)


def write_contact_sheet(generate: Callable[[Sequence[str]], Tensor], path: Path) -> None:
    """Generate one picture per colour and class, and write the sheet as a palette PNG."""
    prompts = [simple_prompt(colour, name) for colour in _COLOURS for name in _CLASSES]
    images = generate(prompts)
    width, height = len(_CLASSES) * _CELL_PX, len(_COLOURS) * (_CELL_PX + _LABEL_PX)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (prompt, image) in enumerate(zip(prompts, images, strict=True)):
        row, column = divmod(index, len(_CLASSES))
        left, top = column * _CELL_PX, row * (_CELL_PX + _LABEL_PX)
        sheet.paste(
            to_picture(image).resize((_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS), (left, top)
        )
        draw.text((left + _CELL_PX / 2, top + _CELL_PX + 2), prompt, fill="black", anchor="ma")
    path.parent.mkdir(parents=True, exist_ok=True)
    # 128 colours keep the file small, and suffice for the few hues.
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def to_picture(image: Tensor) -> Image.Image:
    """Convert [3, H, W], values -1 to 1, to an RGB image."""
    pixels = ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
