"""The engine over FLUX models: composes encode, prepare, denoise and decode."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from PIL import Image, ImageOps

from inference_worker.engine.editing import changed_part, context_pictures, kept_outside
from inference_worker.engine.model_facts import model_facts
from inference_worker.engine.model_store import ModelStore, OpenedModel
from inference_worker.engine.out_of_memory import run_or_step_down
from inference_worker.settings import InferenceSettings
from shared.cancellation import NEVER, CancelFlag, stop_if
from shared.contracts.editing import EditingConfig, EditingInputs
from shared.contracts.generation import GenerationConfig, GenerationInputs
from shared.contracts.refinement import RefineInputs
from shared.errors import InvalidInputError
from shared.flux.engine import Edit, EngineFacts, LoraUse, StepCallback, ignore_step
from shared.flux.pipeline.conditioning import Conditioning
from shared.flux.pipeline.diffusers_functions import hide_progress_bars
from shared.flux.pipeline.prepare import cpu_generator
from shared.flux.pipeline.start import Start, batch_starts
from shared.flux.text_to_image import condition, finish
from shared.settings import ModelSettings

_GPU_BATCH = 4
"""Default number of tiles that a GPU edits at once."""


@dataclass(frozen=True)
class _Job:
    """The pictures of one request.

    Attributes:
        opened: the model.
        inputs: the request.
        loras: on the model.
        start: prepares a picture's denoise loop from its source of noise; None: no step is left.
        size: (width, height) that the model works at.
        unchanged: the result where no step is left.
    """

    opened: OpenedModel
    inputs: GenerationInputs | EditingInputs
    loras: Sequence[LoraUse]
    start: Callable[[torch.Generator], Start | None]
    size: tuple[int, int]
    unchanged: Image.Image | None


class ModelEngine:
    """Implements `ImageEngine`. Pictures are generated one at a time, each from its own seed.

    The pictures of one request are not batched: the same seed then gives the same pixels, alone or
    among others. Tiles are batched, always the same number at once.

    Args:
        store: opens models.
        generator: the model that generates pictures, and refines tiles.
        editor: the model that edits by instruction; None: the generator edits by strength.
        settings: guidance and sizes of this worker.
        model: the models' sizes and default steps.
    """

    def __init__(
        self,
        store: ModelStore,
        generator: OpenedModel,
        editor: OpenedModel | None,
        settings: InferenceSettings,
        model: ModelSettings,
    ) -> None:
        self._store = store
        self._generator = generator
        self._editor = editor
        self._settings = settings
        self._model = model

    @classmethod
    def load(
        cls,
        source: str,
        settings: InferenceSettings,
        model: ModelSettings,
        *,
        editor_source: str = "",
    ) -> Self:
        """Open the models; weights are loaded when they are first needed.

        Raises:
            ModelLoadError: there is no usable model there.
        """
        hide_progress_bars()
        if settings.torch_threads:
            torch.set_num_threads(settings.torch_threads)
        store = ModelStore(settings)
        editor = store.open(editor_source) if editor_source else None
        return cls(store, store.open(source), editor, settings, model)

    @property
    def model_id(self) -> str:
        traits = (
            self._store.device.type,
            self._store.dtype,
            self._store.plan.pixel_traits,
            self._settings.guidance_scale,
            self._settings.max_text_tokens,
        )
        digests = [opened.digest for opened in (self._generator, self._editor) if opened]
        return ":".join([*digests, *map(str, traits)])

    @property
    def edit_side_px(self) -> int:
        return self._settings.edit_px or self._model.max_side_px

    @property
    def multiple_of(self) -> int:
        return self._generator.model.multiple_of

    @property
    def edit_batch(self) -> int:
        if self._store.plan.cache_threshold:  # steps are skipped for a whole batch, or not
            return 1
        return self._settings.edit_batch or (1 if self._store.device.type == "cpu" else _GPU_BATCH)

    @property
    def max_references(self) -> int | None:
        return (self._editor or self._generator).family.max_references

    def facts(self, inputs: GenerationInputs | EditingInputs | RefineInputs) -> EngineFacts:
        """Return the model and the values that a task with these inputs gets."""
        is_editing = isinstance(inputs, EditingInputs)
        opened = (self._editor if is_editing else None) or self._generator
        is_refining = isinstance(inputs, RefineInputs)
        return model_facts(
            opened,
            self._store,
            self._settings,
            inputs,
            steps=inputs.upscale_steps if is_refining else self._num_steps(opened, inputs.config),
            tiling={"edit_side_px": self.edit_side_px, "edit_batch": self.edit_batch},
        )

    def warm_up(self) -> None:
        """Load the parts that a generation needs, and run one step."""
        side = self._model.native_side_px
        inputs = GenerationInputs(
            prompt="a dress",
            width=side,
            height=side,
            seed=0,
            config=GenerationConfig(num_inference_steps=1),
        )
        self.generate(inputs, None, [], on_step=ignore_step, cancel=NEVER)

    @torch.inference_mode()
    def generate(
        self,
        inputs: GenerationInputs,
        reference: Image.Image | None,
        loras: Sequence[LoraUse],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Generate the pictures; sizes between the model's multiples are cropped from larger."""
        self._check_size(inputs.width, inputs.height)
        if not 0 <= inputs.reference_image_strength <= 100:
            raise InvalidInputError("reference_image_strength: goes from 0 to 100")
        opened = self._generator
        model = opened.model
        size = self._covering(opened, inputs.width, inputs.height)
        canvas = reference and ImageOps.fit(reference, size, Image.Resampling.LANCZOS)
        num_steps = self._num_steps(opened, inputs.config)

        def start(generator: torch.Generator) -> Start | None:
            if canvas is None:
                return model.start_from_noise(size, num_steps, generator)
            return model.start_from_image(
                canvas,
                strength=1 - inputs.reference_image_strength / 100,
                num_steps=num_steps,
                generator=generator,
            )

        job = _Job(opened, inputs, loras, start, size, unchanged=canvas)
        pictures = self._run(job, on_step, cancel)
        return [_cut(picture, inputs.width, inputs.height) for picture in pictures]

    @torch.inference_mode()
    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Follow the instruction where there is a model for it; else edit by `config.strength`."""
        self._check_size(inputs.width, inputs.height)
        opened = self._editor or self._generator
        most = opened.family.max_references or 0
        if len(references) > most:
            raise InvalidInputError(
                f"reference_images: has {len(references)}; {opened.name} takes at most {most}"
            )
        model = opened.model
        size = self._covering(opened, inputs.width, inputs.height)
        canvas, mask = changed_part(base, size)
        num_steps = self._num_steps(opened, inputs.config)
        is_instructed = opened.family.max_references is not None
        strength = 1.0 if is_instructed else inputs.config.strength
        seen = context_pictures(
            [canvas, *references], self._model.native_side_px, model.multiple_of
        )

        def start(generator: torch.Generator) -> Start | None:
            if is_instructed and mask is None:
                begun = model.start_from_noise(size, num_steps, generator)
            else:
                begun = model.start_from_image(
                    canvas, strength=strength, num_steps=num_steps, generator=generator, mask=mask
                )
            if begun is None or not is_instructed:
                return begun
            return begun.with_context(model.context(seen))

        job = _Job(opened, inputs, (), start, size, unchanged=canvas)
        pictures = self._run(job, on_step, cancel)
        if mask is not None:
            pictures = [kept_outside(mask, picture, canvas) for picture in pictures]
        return [_cut(picture, inputs.width, inputs.height) for picture in pictures]

    @torch.inference_mode()
    def edit(
        self,
        images: Sequence[Image.Image],
        edits: Sequence[Edit],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Edit image to image: one batch in the transformer, one by one in the VAE.

        A strength that leaves no step returns the pictures unchanged.
        """
        opened = self._generator
        model = opened.model

        def make() -> list[Image.Image]:
            stop_if(cancel)
            with self._store.encoding(opened, ()) as variant:
                positive = model.embed(edits[0].prompt, variant)
            with self._store.denoising(opened, ()):
                starts = [
                    model.start_from_image(
                        image,
                        strength=edit.strength,
                        num_steps=edit.num_steps,
                        generator=cpu_generator(edit.seed),
                    )
                    for image, edit in zip(images, edits, strict=True)
                ]
                begun = [start for start in starts if start is not None]
                if not begun:
                    return list(images)
                conditioning = Conditioning(positive, self._settings.guidance_scale)
                latents = model.denoise(
                    batch_starts(begun), conditioning, on_step=on_step, cancel=cancel
                )
                return [
                    model.decode(latents[place : place + 1], image.size)
                    for place, image in enumerate(images)
                ]

        return run_or_step_down(make, self._store.step_down)

    def _run(self, job: _Job, on_step: StepCallback, cancel: CancelFlag) -> list[Image.Image]:
        return run_or_step_down(
            lambda: self._make(job, on_step=on_step, cancel=cancel), self._store.step_down
        )

    def _make(self, job: _Job, *, on_step: StepCallback, cancel: CancelFlag) -> list[Image.Image]:
        """Return a picture for each seed; where no step is left, the one that it starts from."""
        opened, inputs = job.opened, job.inputs
        num_images = inputs.config.num_images
        pictures: list[Image.Image] = []
        # Where both do not fit into memory, encoders are evicted for the transformer.
        with self._store.encoding(opened, job.loras) as variant:
            conditioning = self._condition(opened, inputs, variant)
        for index in range(num_images):

            def on_image_step(done: int, steps: int, index: int = index) -> None:
                on_step(index * steps + done, num_images * steps)

            stop_if(cancel)
            with self._store.denoising(opened, job.loras):
                begun = job.start(cpu_generator(inputs.seed + index))
                if begun is None:
                    assert job.unchanged is not None
                    pictures.append(job.unchanged)
                    continue
                picture = finish(
                    opened.model,
                    begun,
                    conditioning,
                    job.size,
                    on_step=on_image_step,
                    cancel=cancel,
                )
                pictures.append(picture)
        return pictures

    def _condition(
        self,
        opened: OpenedModel,
        inputs: GenerationInputs | EditingInputs,
        variant: Hashable,
    ) -> Conditioning:
        config = inputs.config
        negative = config.negative_prompt
        if negative and not opened.family.has_true_cfg:
            raise InvalidInputError(
                f"config.negative_prompt: {opened.name} cannot follow one; leave it out"
            )
        scale = config.guidance_scale
        return condition(
            opened.model,
            inputs.prompt,
            guidance_scale=self._settings.guidance_scale if scale is None else scale,
            negative=negative,
            true_cfg_scale=self._settings.true_cfg_scale,
            variant=variant,
        )

    def _num_steps(self, opened: OpenedModel, config: GenerationConfig | EditingConfig) -> int:
        stated = config.num_inference_steps or self._model.num_default_steps
        return stated or opened.model.default_steps

    def _check_size(self, width: int, height: int) -> None:
        longest = self._model.max_side_px
        for name, side in (("width", width), ("height", height)):
            if not 1 <= side <= longest:
                raise InvalidInputError(f"{name}: {side} px; this model takes 1 to {longest} px")

    def _covering(self, opened: OpenedModel, width: int, height: int) -> tuple[int, int]:
        multiple = opened.model.multiple_of
        return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def _cut(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
