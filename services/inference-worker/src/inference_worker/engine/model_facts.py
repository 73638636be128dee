"""The provenance facts of an engine over FLUX models."""

from collections.abc import Mapping

from inference_worker.engine.model_store import ModelStore, OpenedModel
from inference_worker.settings import InferenceSettings
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.contracts.refinement import RefineInputs
from shared.flux.engine import EngineFacts


def model_facts(
    opened: OpenedModel,
    store: ModelStore,
    settings: InferenceSettings,
    inputs: GenerationInputs | EditingInputs | RefineInputs,
    *,
    steps: int,
    tiling: Mapping[str, float],
) -> EngineFacts:
    """Return the facts of one task.

    Args:
        opened: the task's model.
        store: the store that opened it.
        settings: the defaults of this worker.
        inputs: the task's inputs.
        steps: denoise steps of the whole schedule.
        tiling: settings of tiled refinement.
    """
    guidance: float | None = None
    others: dict[str, float] = {"max_text_tokens": settings.max_text_tokens}
    if isinstance(inputs, RefineInputs):
        others |= tiling
    else:
        guidance = inputs.config.guidance_scale
        if inputs.config.negative_prompt:
            others["true_cfg_scale"] = settings.true_cfg_scale
    return EngineFacts(
        engine=opened.family.name,
        model=opened.name,
        model_digest=opened.digest,
        profile=settings.profile,
        plan=store.plan.pixel_traits,
        device=store.device.type,
        dtype=str(store.dtype).removeprefix("torch."),
        sampler=opened.family.sampler,
        steps=steps,
        guidance=settings.guidance_scale if guidance is None else guidance,
        settings=others,
        warnings=[
            said for text in _prompts(inputs) if (said := opened.model.truncation_warning(text))
        ],
    )


def _prompts(inputs: GenerationInputs | EditingInputs | RefineInputs) -> list[str]:
    if isinstance(inputs, RefineInputs):
        return [inputs.upscale_prompt or ""]
    return [inputs.prompt, inputs.config.negative_prompt or ""]
