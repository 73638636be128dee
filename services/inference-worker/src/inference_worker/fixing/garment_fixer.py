"""The garment fixer: find a detail, edit it after a reference picture, check it, blend it in."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from inference_worker.checks.metric import Pixels
from inference_worker.checks.metrics import Metrics, weights_of
from inference_worker.cpu_threads import CpuThreads
from inference_worker.fixing.detail_finder import DetailFinder
from inference_worker.refinement.blend import blend
from inference_worker.refinement.colour import has_colour, keep_colours, relight
from inference_worker.refinement.editors import Editors, EditRequest, ImageEditor, Reference
from inference_worker.refinement.grid import Grid, split_longer_side
from inference_worker.refinement.patches import PixelBox, expanded, paste
from inference_worker.refinement.region_editing import EditRegion, RegionEditor, Run
from inference_worker.refinement.tile_editor import EditPlan, TileEditor
from inference_worker.vision.protocols import Box
from shared.contracts.checks import MetricWeights, TileReport
from shared.contracts.fixing import FixConfig, GarmentFixerConfig
from shared.flux.engine import EngineFacts
from shared.pixels.images import on_white
from shared.pixels.transparency import alpha_of, colours, with_alpha


@dataclass(frozen=True)
class FixedDetail:
    """The picture, and the report of each tile of the detail."""

    image: Image.Image
    tiles: list[TileReport]
    weights: MetricWeights
    facts: EngineFacts
    follows_reference: bool


@dataclass(frozen=True)
class Detail:
    """The detail to repair, and its reference.

    Attributes:
        label: name of the detail; None: the whole garment.
        reference: picture of the real detail.
    """

    label: str | None
    reference: Reference


class GarmentFixer:
    """Repair of a detail: find, enlarge the box, split it if it is long, edit, check, paste.

    Colours are not matched to the picture's, since the reference decides them. If neither picture
    has colour, the result is kept grey.

    Args:
        editors: edit the detail.
        cpu: threads for all work outside the model.
        metrics: check the edits.
        finder: finds the detail.
    """

    def __init__(
        self, editors: Editors, cpu: CpuThreads, *, metrics: Metrics, finder: DetailFinder
    ) -> None:
        self._editors = editors
        self._cpu = cpu
        self._metrics = metrics
        self._finder = finder
        self._regions = RegionEditor(cpu)

    async def fix(
        self,
        base: Image.Image,
        detail: Detail,
        options: FixConfig,
        config: GarmentFixerConfig,
        *,
        seed: int,
        run: Run,
    ) -> FixedDetail:
        """Repair a detail of a picture, RGB or RGBA; its alpha is kept.

        Raises:
            InvalidInputError: the request cannot be met; the message names the field.
            ConsistencyError: checks are strict, and no edit of a tile passed.
        """
        picture = await self._cpu.run(lambda: colours(base))
        plan = await self._cpu.run(partial(self._plan, picture, detail, options, config, seed))
        found = await self._cpu.run(lambda: self._find(base, detail.label))
        box = expanded(found, config.bbox_expand_percent, base.size)
        grid = _split(box, config)
        editor = TileEditor(plan, self._cpu)
        regions = [_region(tile.index, _shifted(tile.box, box), editor) for tile in grid.tiles]
        edited = await self._regions.edit(picture, regions, run)

        def compose() -> Image.Image:
            canvas = picture.copy()
            patch = blend(grid, [tile.pixels for tile in edited])
            paste(canvas, patch, box, feather_px=config.feather_px)
            return with_alpha(canvas, alpha_of(base))

        image = await self._cpu.run(compose)
        run.on_progress(1.0)
        return FixedDetail(
            image,
            [tile.report for tile in edited],
            weights_of(plan.metrics),
            plan.editor.facts,
            follows_reference=self._editors.follows_references,
        )

    def _find(self, base: Image.Image, label: str | None) -> Box:
        # On white: colours stored under transparent pixels would hide a cut-out's outline.
        return self._finder.find(np.asarray(on_white(base)), label)

    def _plan(
        self,
        picture: Pixels,
        detail: Detail,
        options: FixConfig,
        config: GarmentFixerConfig,
        seed: int,
    ) -> EditPlan:
        pictures = [picture]
        if self._editors.follows_references:
            pictures.append(np.asarray(detail.reference.picture))
        return EditPlan(
            editor=self._editor(detail, options),
            choose_side=self._editors.region_side,
            match_colours=keep_colours if any(map(has_colour, pictures)) else relight,
            metrics=self._metrics.chosen(config, side_px=self._editors.checked_px),
            max_tries=config.max_retries + 1,
            seed=seed,
        )

    def _editor(self, detail: Detail, options: FixConfig) -> ImageEditor:
        name = detail.label or "garment"
        request = EditRequest(
            prompt=f"a photograph of a {name}, its fabric and its details sharp",
            instruction=f"Make the {name} look as in the reference picture; change nothing else",
            strength=options.denoise,
            num_steps=options.num_inference_steps,
            references=[detail.reference],
        )
        return self._editors.open(request)


def _split(box: PixelBox, config: GarmentFixerConfig) -> Grid:
    """Split a long box into two tiles."""
    width, height = box[2] - box[0], box[3] - box[1]
    is_long = max(width, height) > config.split_threshold * min(width, height)
    return split_longer_side(
        (width, height), num_tiles=2 if is_long else 1, feather_px=config.feather_px
    )


def _region(index: int, box: PixelBox, editor: TileEditor) -> EditRegion:
    return EditRegion("detail_" + "_".join(map(str, box)), index, box, editor)


def _shifted(inner: PixelBox, outer: PixelBox) -> PixelBox:
    """Convert a box relative to `outer` to the picture's pixels."""
    left, top = outer[:2]
    return left + inner[0], top + inner[1], left + inner[2], top + inner[3]
