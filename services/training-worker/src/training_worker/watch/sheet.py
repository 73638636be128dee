"""The contact sheet of samples: a row for each sample step, a column for each prompt."""

import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

_MAX_ROWS = 24
_MAX_COLUMNS = 12
_CELL_PX = 160
_GAP_PX = 8
_LABEL_PX = 96
_TITLE_PX = 28
_FONT_PX = 14
_MAX_TITLE_CHARS = 40
_JPEG_QUALITY = 88

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class ContactSheet:
    """Keeps small copies of the first samples, the newest ones, and some evenly between.

    Args:
        prompts: of the columns; the first twelve are shown.
        max_rows: over 2.
    """

    def __init__(self, prompts: Sequence[str], *, max_rows: int = _MAX_ROWS) -> None:
        self._prompts = prompts[:_MAX_COLUMNS]
        self._max_rows = max_rows
        self._rows: dict[int, Mapping[int, Image.Image]] = {}

    @property
    def steps(self) -> list[int]:
        """The steps of the rows, from the first on."""
        return sorted(self._rows)

    def add(self, step: int, pictures: Mapping[int, Image.Image]) -> None:
        """Add a row, or replace it; of too many rows, the one between the closest ones goes.

        Args:
            step: of the row.
            pictures: by the number of their prompt.
        """
        self._rows[step] = {
            number: _cell(picture)
            for number, picture in pictures.items()
            if number < len(self._prompts)
        }
        while len(self._rows) > self._max_rows:
            del self._rows[closest(self.steps)]

    def encode(self) -> bytes:
        """Return the sheet as JPEG."""
        font = ImageFont.load_default(_FONT_PX)
        step_px = _CELL_PX + _GAP_PX
        width = _LABEL_PX + len(self._prompts) * step_px
        height = _TITLE_PX + max(1, len(self._rows)) * step_px
        sheet = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(sheet)
        for number, prompt in enumerate(self._prompts):
            title = _shortened(draw, font, prompt)
            draw.text((_LABEL_PX + number * step_px, _GAP_PX), title, "black", font)
        for row, step in enumerate(self.steps):
            top = _TITLE_PX + row * step_px
            draw.text((_GAP_PX, top + _CELL_PX / 2), f"step {step}", "black", font, anchor="lm")
            for number, picture in self._rows[step].items():
                sheet.paste(picture, (_LABEL_PX + number * step_px, top))
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return buffer.getvalue()


def closest(steps: Sequence[int]) -> int:
    """Return the step, neither first nor last, whose neighbours are closest to each other."""
    places = range(1, len(steps) - 1)
    return steps[min(places, key=lambda place: steps[place + 1] - steps[place - 1])]


def _cell(picture: Image.Image) -> Image.Image:
    scale = _CELL_PX / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.convert("RGB").resize(
        size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    )


def _shortened(draw: ImageDraw.ImageDraw, font: Font, text: str) -> str:
    """Return the beginning of a text that fits over a column."""
    whole = " ".join(text[:1000].split())
    if draw.textlength(whole, font) <= _CELL_PX:
        return whole
    short = whole[:_MAX_TITLE_CHARS]
    while short and draw.textlength(f"{short}…", font) > _CELL_PX:
        short = short[:-1]
    return f"{short}…"
