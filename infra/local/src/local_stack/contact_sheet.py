"""A contact sheet with the inputs and outputs of several tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

_CELL_PX = 160
_GAP_PX = 12
_LABEL_PX = 18
_SQUARE_PX = 10


@dataclass(frozen=True)
class SheetRow:
    """The name, inputs and outputs of one task."""

    name: str
    inputs: Sequence[Image.Image]
    outputs: Sequence[Image.Image]


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Draw a row for each task: inputs on the left, outputs on the right.

    Transparent pixels show a chequerboard.
    """
    most_inputs = max(len(row.inputs) for row in rows)
    most_outputs = max(len(row.outputs) for row in rows)
    step, line_px = _CELL_PX + _GAP_PX, _LABEL_PX + _CELL_PX + _GAP_PX
    middle = most_inputs * step + _GAP_PX
    size = (middle + _GAP_PX + most_outputs * step, len(rows) * line_px + _GAP_PX)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.line((middle, 0, middle, size[1]), "#c0c0c0")
    for number, row in enumerate(rows):
        top = _GAP_PX + number * line_px
        draw.text((_GAP_PX, top), row.name, "black")
        for start, pictures in ((_GAP_PX, row.inputs), (middle + _GAP_PX, row.outputs)):
            for place, picture in enumerate(pictures):
                cell = _cell(picture)
                sheet.paste(cell, (start + place * step, top + _LABEL_PX))
    return sheet


def _cell(picture: Image.Image) -> Image.Image:
    """Scale a picture to the size of a cell."""
    scale = _CELL_PX / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    filter_ = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    scaled = picture.convert("RGBA").resize(size, filter_)
    cell = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(cell)
    for top in range(0, size[1], _SQUARE_PX):
        for left in range(top % (2 * _SQUARE_PX), size[0], 2 * _SQUARE_PX):
            draw.rectangle((left, top, left + _SQUARE_PX - 1, top + _SQUARE_PX - 1), "#d0d0d0")
    cell.paste(scaled, mask=scaled.getchannel("A"))
    return cell
