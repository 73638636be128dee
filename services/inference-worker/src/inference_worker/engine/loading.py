"""Construction of the configured engine; imports torch only for FLUX."""

from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.settings import EngineKind, InferenceSettings
from shared.flux.engine import ImageEngine
from shared.flux.packaged import SWATCH_KONTEXT, packaged_model
from shared.settings import ModelSettings


def load_engine(settings: InferenceSettings, model: ModelSettings) -> ImageEngine:
    """Open the models, before the worker polls.

    Raises:
        ModelLoadError: the settings name no usable model.
    """
    if settings.engine is EngineKind.IDENTITY:
        edit_side_px = settings.edit_px or model.max_side_px
        return IdentityEngine(edit_side_px=edit_side_px, step_s=settings.identity_step_s)
    from inference_worker.engine.model_engine import ModelEngine  # noqa: PLC0415 — imports torch

    editor_source = model.editor_source
    if not model.source and not editor_source:
        editor_source = str(packaged_model(SWATCH_KONTEXT))
    return ModelEngine.load(
        model.source or str(packaged_model()), settings, model, editor_source=editor_source
    )
