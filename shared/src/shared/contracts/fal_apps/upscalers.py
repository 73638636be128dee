"""Apps on fal that enlarge a picture, by the vendor's typed list of endpoints."""

from shared.contracts.fal_apps.app import UpscalerApp
from shared.contracts.options import Bounds, Choices, Flag

CLARITY = "fal-ai/clarity-upscaler"

_TOPAZ_MODELS = (
    "Standard V2",
    "High Fidelity V2",
    "Low Resolution V2",
    "CGI",
    "Text Refine",
    "Redefine",
    "Recovery",
    "Recovery V2",
)

UPSCALERS = (
    UpscalerApp(
        id=CLARITY,
        factors=Bounds(1, 4),
        prompt="prompt",
        denoise="creativity",
        steps="num_inference_steps",
        step_bounds=Bounds(4, 50, is_whole=True),
        seed="seed",
        config={"resemblance": Bounds(0, 1), "guidance_scale": Bounds(0, 20)},
    ),
    UpscalerApp(
        id="fal-ai/seedvr/upscale/image",
        factors=Bounds(1, 10),
        seed="seed",
        fixed={"upscale_mode": "factor", "output_format": "png"},
        config={"noise_scale": Bounds(0, 1)},
    ),
    UpscalerApp(
        id="fal-ai/topaz/upscale/image",
        factors=Bounds(1, 4),
        prompt="prompt",
        fixed={"output_format": "png"},
        config={"model": Choices(_TOPAZ_MODELS), "face_enhancement": Flag()},
    ),
    UpscalerApp(
        id="fal-ai/esrgan",
        factor="scale",
        factors=Bounds(1, 8),
        fixed={"output_format": "png"},
        config={"face": Flag()},
    ),
    UpscalerApp(id="fal-ai/aura-sr", factors=Choices((4,))),
    UpscalerApp(
        id="fal-ai/ccsr",
        factor="scale",
        factors=Bounds(1, 4),
        steps="steps",
        step_bounds=Bounds(1, 100, is_whole=True),
        seed="seed",
    ),
    UpscalerApp(
        id="fal-ai/flux-vision-upscaler",
        factors=Bounds(1, 4),
        denoise="creativity",
        steps="steps",
        seed="seed",
    ),
)


def unknown_upscaler(app_id: str) -> UpscalerApp:
    """Return the conventional description of an app."""
    return UpscalerApp(
        id=app_id,
        factors=Bounds(1, 16),
        prompt="prompt",
        denoise="creativity",
        steps="num_inference_steps",
        step_bounds=Bounds(1, 200, is_whole=True),
        seed="seed",
        is_known=False,
    )
