"""The face fixer: detect every face, edit it, check it, and blend it into the picture."""

from dataclasses import dataclass
from functools import partial

from PIL import Image

from inference_worker.checks.metrics import Metrics, weights_of
from inference_worker.cpu_threads import CpuThreads
from inference_worker.refinement.colour import match_lab
from inference_worker.refinement.editors import Editors, EditRequest
from inference_worker.refinement.patches import expanded
from inference_worker.refinement.refiner import FACE_INSTRUCTION, FACE_PROMPT
from inference_worker.refinement.region_editing import RegionEditor, Run, face_regions, paste_faces
from inference_worker.refinement.tile_editor import EditPlan, TileEditor
from inference_worker.vision.people import PeopleModels
from shared.contracts.checks import MetricWeights, TileReport
from shared.contracts.fixing import FaceFixerConfig, FixConfig
from shared.flux.engine import EngineFacts
from shared.pixels.transparency import alpha_of, colours, with_alpha


@dataclass(frozen=True)
class FixedFaces:
    """The picture (None without a face), and the report of each face."""

    image: Image.Image | None
    faces: list[TileReport]
    weights: MetricWeights
    facts: EngineFacts


class FaceFixer:
    """Repair of faces: detect, enlarge the boxes, edit, match colours, check, paste.

    Args:
        editors: edit the faces.
        cpu: threads for all work outside the model.
        metrics: check the edits.
        people: detects the faces.
    """

    def __init__(
        self,
        editors: Editors,
        cpu: CpuThreads,
        *,
        metrics: Metrics,
        people: PeopleModels,
    ) -> None:
        self._editors = editors
        self._cpu = cpu
        self._metrics = metrics
        self._people = people
        self._regions = RegionEditor(cpu)

    async def fix(
        self, base: Image.Image, options: FixConfig, config: FaceFixerConfig, *, seed: int, run: Run
    ) -> FixedFaces:
        """Repair every face of a picture, RGB or RGBA; its alpha is kept.

        Raises:
            InvalidInputError: the request cannot be met; the message names the field.
            ConsistencyError: checks are strict, and no edit of a face passed.
        """
        plan = await self._cpu.run(partial(self._plan, options, config, seed))
        picture = await self._cpu.run(lambda: colours(base))
        found = await self._cpu.run(lambda: self._people.faces.faces(picture))
        boxes = [expanded(face.box, config.expand_percent, base.size) for face in found]
        regions = face_regions(boxes, TileEditor(plan, self._cpu), first=0)
        edited = await self._regions.edit(picture, regions, run)

        def compose() -> Image.Image:
            canvas = picture.copy()
            paste_faces(canvas, regions, edited, feather_px=config.feather_px)
            return with_alpha(canvas, alpha_of(base))

        image = await self._cpu.run(compose) if regions else None
        run.on_progress(1.0)
        reports = [face.report for face in edited]
        return FixedFaces(image, reports, weights_of(plan.metrics), plan.editor.facts)

    def _plan(self, options: FixConfig, config: FaceFixerConfig, seed: int) -> EditPlan:
        request = EditRequest(
            prompt=config.face_prompt or FACE_PROMPT,
            instruction=config.face_prompt or FACE_INSTRUCTION,
            strength=options.denoise,
            num_steps=options.num_inference_steps,
        )
        return EditPlan(
            editor=self._editors.open(request),
            choose_side=self._editors.region_side,
            match_colours=match_lab,
            metrics=self._metrics.chosen(config, side_px=self._editors.checked_px),
            max_tries=config.max_retries + 1,
            seed=seed,
        )
