"""A contact sheet with the inputs and outputs of several tasks."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_CELL_PX = 160
_GAP_PX = 12
_LABEL_PX = 18
_SQUARE_PX = 10
_MOST_ROWS = 12
"""Rows above each other; further rows begin a block to the right."""
_TEXT_PX, _TEXT_LINE_PX, _TEXT_INDENT_PX = 13, 17, 8
_TEXT_LINES = _CELL_PX // _TEXT_LINE_PX - 1

Shown = Image.Image | str
"""A picture, or a text that is drawn in its place."""


@dataclass(frozen=True)
class SheetRow:
    """The name, inputs and outputs of one task."""

    name: str
    inputs: Sequence[Image.Image]
    outputs: Sequence[Shown]


@dataclass(frozen=True)
class _Block:
    """Sizes of a block of rows, in pixels: its left half, and the whole."""

    middle: int
    width: int


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Draw a row for each task: inputs on the left, outputs on the right.

    Transparent pixels show a chequerboard.
    """
    step, line_px = _CELL_PX + _GAP_PX, _LABEL_PX + _CELL_PX + _GAP_PX
    middle = max(len(row.inputs) for row in rows) * step + _GAP_PX
    block = _Block(middle, middle + _GAP_PX + step * max(len(row.outputs) for row in rows))
    blocks = -(-len(rows) // _MOST_ROWS)
    high = -(-len(rows) // blocks)
    size = (blocks * block.width, high * line_px + _GAP_PX)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number in range(blocks):
        left = number * block.width
        draw.line((left + middle, 0, left + middle, size[1]), "#c0c0c0")
        if number:
            draw.line((left, 0, left, size[1]), "#404040")
    for number, row in enumerate(rows):
        left, top = number // high * block.width, _GAP_PX + number % high * line_px
        _draw_row(sheet, row, (left, top), block)
    return sheet


def _draw_row(sheet: Image.Image, row: SheetRow, at: tuple[int, int], block: _Block) -> None:
    left, top = at
    ImageDraw.Draw(sheet).text((left + _GAP_PX, top), row.name, "black")
    right = left + block.middle
    for start, shown in ((left, row.inputs), (right, row.outputs)):
        for place, one in enumerate(shown):
            at_left = start + _GAP_PX + place * (_CELL_PX + _GAP_PX)
            if isinstance(one, str):
                width = block.width - (at_left - left) - _GAP_PX
                sheet.paste(_text_cell(one, width), (at_left, top + _LABEL_PX))
            else:
                sheet.paste(_cell(one), (at_left, top + _LABEL_PX))


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


def _text_cell(text: str, width: int) -> Image.Image:
    """Draw a text as high as a cell; what does not fit is left out."""
    font = ImageFont.load_default(_TEXT_PX)
    cell = Image.new("RGB", (width, _CELL_PX), "#f4f4f0")
    draw = ImageDraw.Draw(cell)
    letters = round((width - 2 * _TEXT_INDENT_PX) / (draw.textlength("e" * 100, font) / 100))
    lines = [each for line in text.splitlines() for each in textwrap.wrap(line, letters)]
    if len(lines) > _TEXT_LINES:
        lines = [*lines[: _TEXT_LINES - 1], "…"]
    for number, line in enumerate(lines):
        draw.text(
            (_TEXT_INDENT_PX, _TEXT_INDENT_PX + number * _TEXT_LINE_PX), line, "#202020", font
        )
    return cell
