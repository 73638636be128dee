"""The preview of a dataset, for people: its first pictures with their captions."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from inference_worker.preprocessing.captions import one_line

MOST_CELLS = 36
_COLUMNS = 6
_SIDE = 192
_GAP = 8
_FONT_PX = 12
_LINE_PX = 16
_LINES = 2
_LINE_CHARS = 30


def draw_preview(cells: Sequence[tuple[Path, str]]) -> bytes:
    """Return a JPEG of up to 36 pictures, each with two lines of its caption.

    The font knows Latin letters; others are drawn as boxes.
    """
    cells = cells[:MOST_CELLS]
    columns = min(_COLUMNS, len(cells))
    width, height = _SIDE + _GAP, _SIDE + _LINES * _LINE_PX + _GAP
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    for place, (path, caption) in enumerate(cells):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        middle = ((_SIDE - picture.width) // 2, (_SIDE - picture.height) // 2)
        sheet.paste(picture, (left + middle[0], top + middle[1]))
        sheet.paste(_draw_caption(caption), (left, top + _SIDE))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _draw_caption(caption: str) -> Image.Image:
    strip = Image.new("RGB", (_SIDE, _LINES * _LINE_PX), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_FONT_PX)
    text = one_line(caption)
    if len(text) > _LINES * _LINE_CHARS:
        text = f"{text[: _LINES * _LINE_CHARS - 1]}…"
    for line in range(_LINES):
        part = text[line * _LINE_CHARS : (line + 1) * _LINE_CHARS]
        draw.text((0, line * _LINE_PX), part, "black", font)
    return strip
