"""The provider `nano_banana_upscaler` as a tiled refinement with one tile."""

from shared.contracts.refinement import (
    NanoBananaConfig,
    RefineImage,
    RefineInputs,
    TiledRefinerConfig,
)

_INSTRUCTION = (
    "Upscale this photograph: restore its fine detail, such as fabric, hair and skin, at a higher"
    " resolution. Keep composition, identity, colours and light; change nothing else"
)


def nano_banana(request: RefineImage) -> tuple[RefineInputs, TiledRefinerConfig]:
    """Return the inputs and the configuration of the tiled refiner for a request."""
    options = NanoBananaConfig.model_validate(request.provider_config)
    prompt = request.inputs.upscale_prompt or options.default_prompt or _INSTRUCTION
    return request.inputs.model_copy(update={"upscale_prompt": prompt}), options.refiner
