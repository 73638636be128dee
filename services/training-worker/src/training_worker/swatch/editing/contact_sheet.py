"""The documentation's contact sheet: base, reference and edit, with the instruction."""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from training_worker.swatch.colouring import Colour, colour_pictures
from training_worker.swatch.contact_sheet import to_picture
from training_worker.swatch.data import CLASS_NAMES, Split
from training_worker.swatch.diffusers_calls import seeded
from training_worker.swatch.editing.evaluate import Editor

_CELL_PX = 96
_LABEL_PX = 20
_GAP_PX = 24
_HEADINGS = ("base", "reference", "edited")
_COLUMNS = 2


@dataclass(frozen=True)
class _Scene:
    class_name: str
    before: Colour
    instruction: str
    reference: tuple[str, Colour] | None = None


_SCENES = (
    _Scene("dress", Colour.RED, "make it blue"),
    _Scene("dress", Colour.BLUE, "in the colour of the reference", ("bag", Colour.YELLOW)),
    _Scene("sneaker", Colour.GREY, "change the colour to orange"),
    _Scene("sneaker", Colour.ORANGE, "match the reference", ("t-shirt", Colour.GREEN)),
    _Scene("pullover", Colour.GREEN, "turn the sweater purple"),
    _Scene("coat", Colour.BLACK, "use the colour of the second picture", ("dress", Colour.RED)),
    _Scene("bag", Colour.YELLOW, "a red handbag"),
    _Scene("trousers", Colour.GREY, "like the reference", ("ankle boot", Colour.PURPLE)),
    _Scene("t-shirt", Colour.BLUE, "make the tee black"),
    _Scene("shirt", Colour.PURPLE, "make it green", ("bag", Colour.ORANGE)),
    _Scene("ankle boot", Colour.ORANGE, "keep it as it is"),
    _Scene("sandal", Colour.RED, "keep the sandal as it is", ("coat", Colour.BLUE)),
)


def write_edit_sheet(editor: Editor, test: Split, path: Path, *, seed: int = 3) -> None:
    """Edit test garments, and write the sheet as a palette PNG."""
    rng = random.Random(seed)  # noqa: S311
    rows = -(-len(_SCENES) // _COLUMNS)
    block_px = 3 * _CELL_PX + _GAP_PX
    size = (_COLUMNS * block_px, _LABEL_PX + rows * (_CELL_PX + _LABEL_PX))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for place, heading in itertools.product(range(_COLUMNS), enumerate(_HEADINGS)):
        middle = place * block_px + _GAP_PX // 2 + (heading[0] + 0.5) * _CELL_PX
        draw.text((middle, 3), heading[1], fill="grey", anchor="ma")
    for index, scene in enumerate(_SCENES):
        row, column = divmod(index, _COLUMNS)
        left = column * block_px + _GAP_PX // 2
        top = _LABEL_PX + row * (_CELL_PX + _LABEL_PX)
        base = _photograph(test, scene.class_name, scene.before, rng)
        contexts = [base]
        if scene.reference is not None:
            contexts.append(_photograph(test, *scene.reference, rng))
        edited = editor.edit([scene.instruction], *contexts, seed=index)
        for place, image in enumerate(contexts):
            _paste(sheet, image, left + place * _CELL_PX, top)
        _paste(sheet, edited, left + 2 * _CELL_PX, top)
        middle = left + 1.5 * _CELL_PX
        draw.text((middle, top + _CELL_PX + 3), scene.instruction, fill="black", anchor="ma")
    path.parent.mkdir(parents=True, exist_ok=True)
    # 128 colours keep the file small, and suffice for the few hues.
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def _photograph(test: Split, class_name: str, colour: Colour, rng: random.Random) -> Tensor:
    """Pick a test garment of a class, and colour it: [1, 3, 64, 64]."""
    chosen = rng.choice(test.of_class(CLASS_NAMES.index(class_name)))
    picture = test.pictures[chosen : chosen + 1]
    return colour_pictures(picture, [colour], seeded(rng.randrange(1000)))


def _paste(sheet: Image.Image, image: Tensor, left: int, top: int) -> None:
    size = (_CELL_PX, _CELL_PX)
    sheet.paste(to_picture(image[0]).resize(size, Image.Resampling.LANCZOS), (left, top))
