"""The FLUX engine: encode, prepare, denoise, decode over one model in memory."""

from collections.abc import Sequence
from typing import Self

import torch
from PIL import Image, ImageOps

from inference_worker.lora.adapters import Adapters, ModuleAdapters
from inference_worker.pipelines.components import (
    FluxComponents,
    load_components,
    resolve_folder,
)
from inference_worker.pipelines.decode import decode
from inference_worker.pipelines.denoise import Conditioning, denoise
from inference_worker.pipelines.device import (
    choose_device,
    choose_dtype,
    memory_errors_as_resource_errors,
)
from inference_worker.pipelines.encode import PromptEncoder
from inference_worker.pipelines.engine import CancelFlag, Edit, LoraUse, StepCallback, stop_if
from inference_worker.pipelines.fingerprint import fingerprint
from inference_worker.pipelines.prepare import (
    Start,
    cpu_generator,
    start_from_image,
    start_from_noise,
)
from inference_worker.settings import InferenceSettings
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.errors import InvalidInputError
from shared.settings import ModelSettings


class FluxEngine:
    """Implements `ImageEngine`. Pictures are made one at a time, each from its own seed.

    Several pictures of one request are not batched: the same seed then gives the same pixels,
    alone or among others.

    Args:
        components: the model.
        model_id: tells this model from others.
        settings: guidance and sizes of this worker.
        model: the model's sizes and default steps.
    """

    def __init__(
        self,
        components: FluxComponents,
        model_id: str,
        settings: InferenceSettings,
        model: ModelSettings,
    ) -> None:
        self._components = components
        self._model_id = model_id
        self._settings = settings
        self._model = model
        transformer, clip = (
            ModuleAdapters(module, max_bytes=settings.lora_memory_bytes)
            for module in (components.transformer, components.clip)
        )
        self._adapters = Adapters(transformer, clip)
        self._encoder = PromptEncoder(components, max_tokens=settings.max_text_tokens)

    @classmethod
    def load(cls, source: str, settings: InferenceSettings, model: ModelSettings) -> Self:
        """Load the model from a folder or a hub id.

        Raises:
            ModelLoadError: there is no usable model there.
        """
        if settings.torch_threads:
            torch.set_num_threads(settings.torch_threads)
        device = choose_device(settings.device)
        dtype = choose_dtype(settings.dtype, device)
        folder = resolve_folder(source)
        components = load_components(folder, device, dtype)
        traits = (device.type, dtype, settings.guidance_scale, settings.max_text_tokens)
        model_id = ":".join([fingerprint(folder), *map(str, traits)])
        return cls(components, model_id, settings, model)

    @property
    def model_id(self) -> str:
        return self._model_id

    @property
    def edit_side_px(self) -> int:
        return self._settings.edit_px or self._model.max_side_px

    @property
    def multiple_of(self) -> int:
        return self._components.multiple_of

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
        """Make the pictures; sizes between the model's multiples are cut from the next larger."""
        self._check(inputs)
        size = (self._round_up(inputs.width), self._round_up(inputs.height))
        canvas = reference and ImageOps.fit(reference, size, Image.Resampling.LANCZOS)
        num_images = inputs.config.num_images
        pictures: list[Image.Image] = []
        with memory_errors_as_resource_errors():
            self._adapters.activate(loras)
            conditioning = self._condition(inputs)
            for index in range(num_images):

                def on_image_step(done: int, steps: int, index: int = index) -> None:
                    on_step(index * steps + done, num_images * steps)

                stop_if(cancel)
                start = self._start(inputs, canvas, size, cpu_generator(inputs.seed + index))
                picture = (
                    canvas
                    if start is None
                    else self._run(start, conditioning, size, on_step=on_image_step, cancel=cancel)
                )
                assert picture is not None
                pictures.append(_cut(picture, inputs.width, inputs.height))
        return pictures

    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Change a picture as the prompt says."""
        raise InvalidInputError("task_type: this worker edits no pictures yet")

    @torch.inference_mode()
    def edit(
        self, image: Image.Image, edit: Edit, *, on_step: StepCallback, cancel: CancelFlag
    ) -> Image.Image:
        """Image to image; a strength that leaves no step gives the picture back."""
        with memory_errors_as_resource_errors():
            stop_if(cancel)
            start = start_from_image(
                self._components,
                image,
                strength=edit.strength,
                num_steps=edit.num_steps,
                generator=cpu_generator(edit.seed),
            )
            if start is None:
                return image
            self._adapters.activate(())
            conditioning = Conditioning(
                self._encoder.encode(edit.prompt), self._settings.guidance_scale
            )
            return self._run(start, conditioning, image.size, on_step=on_step, cancel=cancel)

    def _run(
        self,
        start: Start,
        conditioning: Conditioning,
        size: tuple[int, int],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> Image.Image:
        latents = denoise(self._components, start, conditioning, on_step=on_step, cancel=cancel)
        return decode(self._components, latents, size)

    def _start(
        self,
        inputs: GenerationInputs,
        canvas: Image.Image | None,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> Start | None:
        num_steps = inputs.config.num_inference_steps or self._model.num_default_steps
        if canvas is None:
            return start_from_noise(self._components, size, num_steps, generator)
        return start_from_image(
            self._components,
            canvas,
            strength=1 - inputs.reference_image_strength / 100,
            num_steps=num_steps,
            generator=generator,
        )

    def _condition(self, inputs: GenerationInputs) -> Conditioning:
        config = inputs.config
        text_key = self._adapters.text_key
        negative = config.negative_prompt
        scale = config.guidance_scale
        return Conditioning(
            positive=self._encoder.encode(inputs.prompt, text_key),
            guidance_scale=self._settings.guidance_scale if scale is None else scale,
            negative=self._encoder.encode(negative, text_key) if negative else None,
            true_cfg_scale=self._settings.true_cfg_scale,
        )

    def _check(self, inputs: GenerationInputs) -> None:
        longest = self._model.max_side_px
        for name, side in (("width", inputs.width), ("height", inputs.height)):
            if not 1 <= side <= longest:
                raise InvalidInputError(f"{name}: {side} px; this model makes 1 to {longest} px")
        if not 0 <= inputs.reference_image_strength <= 100:
            raise InvalidInputError("reference_image_strength: goes from 0 to 100")

    def _round_up(self, side_px: int) -> int:
        return -(-side_px // self.multiple_of) * self.multiple_of


def _cut(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
