"""Pictures of every operation: before, after and their difference."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw
from skimage import data

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.background_removal.cut_out import cut_out
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.engine.loading import load_engine
from inference_worker.fixing.garment_fixer import Detail
from inference_worker.refinement.editors import Reference
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.background_removal import RembgModel
from shared.contracts.backgrounds import BackgroundFixInputs
from shared.contracts.editing import EditingInputs
from shared.contracts.fixing import FixConfig
from shared.contracts.generation import GenerationInputs
from shared.contracts.refinement import UpscalerKind
from shared.settings import ModelSettings
from tests.quality.editors import PictureEditors, open_editors

HEIGHT_PX = 256
_AMPLIFIED = 4
_PALETTE = "#d8c8b0"
_SIZE: dict[str, Any] = {"width": 64, "height": 64, "seed": 7}
_UNWATCHED: dict[str, Any] = {"on_step": lambda *_: None, "cancel": threading.Event()}


@dataclass(frozen=True)
class Shown:
    """The pictures of one operation.

    Attributes:
        name: the operation and the stem of its file.
        note: the request in words.
        before: the input; None for a generation.
        after: the output.
    """

    name: str
    note: str
    before: Image.Image | None
    after: Image.Image


def show_all(models: VisionModels) -> Iterator[Shown]:
    """Run every operation with the installed models."""
    engine: Any = load_engine(InferenceSettings(), ModelSettings())
    dress = _generated(engine)
    yield Shown("generation", "GENERATION: “a red dress”, the packaged swatch", None, dress)
    yield _edited(engine, dress)
    astronaut = Image.fromarray(data.astronaut())
    with open_editors(engine, models) as editors:
        yield _refined(editors, dress, "2", "-garment")
        for version in ("1", "2"):
            small = astronaut.resize((192, 192), Image.Resampling.LANCZOS)
            yield _refined(editors, small, version, "")
        yield from _edited_in_parts(editors, astronaut)
    yield _upscaled(astronaut)
    yield from _cut_and_moved(models, astronaut)
    yield from _adjusted(models, astronaut)


def _generated(engine: Any) -> Image.Image:
    asked = GenerationInputs(prompt="a red dress", **_SIZE)
    return engine.generate(asked, None, [], **_UNWATCHED)[0]


def _edited(engine: Any, dress: Image.Image) -> Shown:
    edit = EditingInputs(prompt="make it blue", base_image="-", **_SIZE)
    (blue,) = engine.instruct(edit, dress, [], **_UNWATCHED)
    return Shown("editing", "EDITING: “make it blue”, the packaged editor", dress, blue)


def _refined(editors: PictureEditors, base: Image.Image, version: str, suffix: str) -> Shown:
    inputs = {"upscale_factor": 2.0, "upscale_steps": 8}
    refined = editors.refine(base, inputs, version=version, max_retries=1)
    plain = base.resize(refined.image.size, Image.Resampling.LANCZOS)
    note = f"REFINE, version {version}, 2 ×, nine tiles; before: Lanczos"
    return Shown(f"refine-v{version}{suffix}", note, plain, refined.image)


def _upscaled(astronaut: Image.Image) -> Shown:
    small = astronaut.crop((160, 30, 288, 158)).resize((64, 64), Image.Resampling.BOX)
    upscalers = Upscalers(VisionSettings())
    plain, drawn = (upscalers.open(kind).upscale(small, (256, 256)) for kind in UpscalerKind)
    return Shown("upscaler", "Upscaling 4 ×: by Lanczos, by Real-ESRGAN", plain, drawn)


def _edited_in_parts(editors: PictureEditors, astronaut: Image.Image) -> Iterator[Shown]:
    enhanced = editors.enhance_faces(astronaut, FixConfig(num_inference_steps=8)).image
    assert enhanced is not None
    yield Shown("face-enhancer", "FACE_ENHANCER", astronaut, enhanced)
    cloth = Image.new("RGB", (64, 64), "#b02030")
    detail = Detail("jacket", Reference(cloth))
    fixed = editors.enhance_detail(astronaut, detail, FixConfig(num_inference_steps=8)).image
    note = "DETAIL_ENHANCER: the jacket, after a plain red cloth"
    yield Shown("detail-enhancer", note, astronaut, fixed)


def _cut_and_moved(models: VisionModels, astronaut: Image.Image) -> Iterator[Shown]:
    for name, picture in (
        ("astronaut", astronaut),
        ("coffee", Image.fromarray(data.coffee())),
    ):
        for model in (RembgModel.U2NETP, RembgModel.ISNET_GENERAL_USE):
            note = f"BACKGROUND_REMOVE: {name}, {model}, on a chequerboard"
            segmenter = models.subjects_by(models.choose_subject_model(model))
            after = _on_squares(cut_out(picture, segmenter))
            yield Shown(f"background-remove-{name}-{model}", note, picture, after)
    palette = Image.new("RGB", (64, 64), _PALETTE)
    fixer = BackgroundFixer(models)
    for strategy in ("lab_shift", "replace"):
        inputs = BackgroundFixInputs.model_validate(
            {"base_image": "-", "palette_image": "-", "strategy": strategy}
        )
        note = f"BACKGROUND_FIX, {strategy}, palette {_PALETTE}"
        after = fixer.fix(astronaut, palette, inputs).image
        yield Shown(f"background-fix-{strategy}", note, astronaut, after)
    studio = _studio(cut_out(astronaut, models.subjects))
    inputs = BackgroundFixInputs(base_image="-", palette_image="-")
    note = f"BACKGROUND_FIX, lab_shift before a light wall, palette {_PALETTE}"
    yield Shown("background-fix-studio", note, studio, fixer.fix(studio, palette, inputs).image)


def _adjusted(models: VisionModels, astronaut: Image.Image) -> Iterator[Shown]:
    studio = _studio(cut_out(astronaut, models.subjects))
    adjuster = ImageAdjuster(lambda: models.subjects, max_output_pixels=2**24)
    asked: dict[str, dict[str, Any]] = {
        "crop": {"target_width": 320, "target_height": 400},
        "pad": {"target_width": 640, "target_height": 400},
        "scale": {"target_width": 320, "target_height": 400, "margin_top": 0.2},
        "auto": {"target_width": 400, "target_height": 400, "margin_top": 0.15},
    }
    for mode, fields in asked.items():
        inputs = AdjustInputs.model_validate({"input_image": "-", "mode": mode} | fields)
        after = adjuster.adjust(studio, None, inputs)
        said = ", ".join(f"{name} {value}" for name, value in fields.items())
        yield Shown(f"image-adjuster-{mode}", f"IMAGE_ADJUSTER, {mode}: {said}", studio, after)


def _studio(cutout: Image.Image) -> Image.Image:
    """Return the subject before a light wall that darkens downward."""
    width, height = cutout.size
    ramp = Image.linear_gradient("L").resize((width, height)).point(lambda level: 246 - level // 3)
    wall = Image.merge("RGB", (ramp, ramp.point(lambda level: level - 2), ramp))
    wall.paste(cutout, mask=cutout.getchannel("A"))
    return wall


def _on_squares(cutout: Image.Image, side: int = 16) -> Image.Image:
    squares = Image.new("RGB", cutout.size, "white")
    draw = ImageDraw.Draw(squares)
    for top in range(0, cutout.height, side):
        for left in range(top // side % 2 * side, cutout.width, 2 * side):
            draw.rectangle((left, top, left + side - 1, top + side - 1), "#c8c8c8")
    squares.paste(cutout, mask=cutout.getchannel("A"))
    return squares


def save(shown: Shown, folder: Path) -> Path:
    """Write before, after and their difference × 4 side by side; `after` alone without a before."""
    pictures = [shown.after]
    if shown.before is not None:
        pictures.insert(0, shown.before)
        if shown.before.size == shown.after.size:
            difference = ImageChops.difference(shown.before, shown.after)
            pictures.append(difference.point(lambda level: min(255, _AMPLIFIED * level)))
    panels = [_panel(picture) for picture in pictures]
    width = sum(panel.width for panel in panels) + 4 * (len(panels) - 1)
    sheet = Image.new("RGB", (width, HEIGHT_PX), "white")
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width + 4
    path = folder / f"{shown.name}.jpg"
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=85, optimize=True)
    return path


def _panel(picture: Image.Image) -> Image.Image:
    width = round(picture.width * HEIGHT_PX / picture.height)
    small = picture.height < HEIGHT_PX
    filter_ = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((width, HEIGHT_PX), filter_)
