"""Apps on fal that generate and edit pictures, by the vendor's typed list of endpoints."""

from shared.contracts.fal_apps.app import MAX_REFERENCES, PictureApp, Sizing, Takes
from shared.contracts.options import Bounds, Choices, Words

FLUX = "fal-ai/flux/dev"
FLUX_WITH_LORAS = "fal-ai/flux-lora"
FLUX_FROM_PICTURE = "fal-ai/flux-lora/image-to-image"
KONTEXT = "fal-ai/flux-pro/kontext"
KONTEXT_MULTI = "fal-ai/flux-pro/kontext/multi"

_KONTEXT_RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
_MODES = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
_BANANA_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
_BASIC = frozenset({Takes.SEED, Takes.NUM_IMAGES, Takes.OUTPUT_FORMAT})
_FLUX = _BASIC | {Takes.STEPS, Takes.GUIDANCE}
_TOLERANCE = {"safety_tolerance": Choices(("1", "2", "3", "4", "5", "6"))}
_LIST = "image_urls"


def _kontext(app_id: str, *, is_multi: bool) -> PictureApp:
    return PictureApp(
        id=app_id,
        picture=_LIST if is_multi else "image_url",
        max_references=MAX_REFERENCES if is_multi else 0,
        sizing=Sizing.ASPECT_RATIO,
        ratios=_KONTEXT_RATIOS,
        takes=_BASIC | {Takes.GUIDANCE},
        config=_TOLERANCE,
    )


GENERATORS = (
    PictureApp(id=FLUX, takes=_FLUX),
    PictureApp(id=FLUX_WITH_LORAS, takes=_FLUX | {Takes.LORAS}),
    PictureApp(
        id=FLUX_FROM_PICTURE, picture="image_url", takes=_FLUX | {Takes.LORAS, Takes.STRENGTH}
    ),
    PictureApp(
        id="fal-ai/flux/dev/image-to-image",
        picture="image_url",
        sizing=None,
        takes=_FLUX | {Takes.STRENGTH},
    ),
)
EDITORS = (
    _kontext(KONTEXT, is_multi=False),
    _kontext(KONTEXT_MULTI, is_multi=True),
    _kontext("fal-ai/flux-pro/kontext/max", is_multi=False),
    _kontext("fal-ai/flux-pro/kontext/max/multi", is_multi=True),
    PictureApp(
        id="fal-ai/flux-kontext/dev",
        picture="image_url",
        sizing=Sizing.RESOLUTION_MODE,
        ratios=_MODES,
        takes=_FLUX,
    ),
    PictureApp(
        id="fal-ai/flux-kontext-lora",
        picture="image_url",
        sizing=Sizing.RESOLUTION_MODE,
        ratios=_MODES,
        takes=_FLUX,
    ),
    PictureApp(
        id="fal-ai/nano-banana/edit",
        picture=_LIST,
        max_references=MAX_REFERENCES,
        sizing=Sizing.ASPECT_RATIO,
        ratios=_BANANA_RATIOS,
        takes=_BASIC,
        config=_TOLERANCE,
    ),
    PictureApp(
        id="fal-ai/nano-banana-pro/edit",
        picture=_LIST,
        max_references=MAX_REFERENCES,
        sizing=Sizing.ASPECT_RATIO,
        ratios=_BANANA_RATIOS,
        takes=_BASIC,
        config=_TOLERANCE
        | {"resolution": Choices(("1K", "2K", "4K")), "system_prompt": Words(10_000)},
    ),
    PictureApp(
        id="fal-ai/flux-2/edit",
        picture=_LIST,
        max_references=3,  # fal reads four pictures, and ignores further ones
        takes=_FLUX,
    ),
    PictureApp(
        id="fal-ai/flux-2-pro/edit",
        picture=_LIST,
        max_references=MAX_REFERENCES,
        takes=frozenset({Takes.SEED, Takes.OUTPUT_FORMAT}),
        max_images=1,
        config={"safety_tolerance": Choices(("1", "2", "3", "4", "5"))},
    ),
    PictureApp(
        id="fal-ai/qwen-image-edit-plus",
        picture=_LIST,
        max_references=MAX_REFERENCES,
        takes=_FLUX | {Takes.NEGATIVE_PROMPT},
    ),
    PictureApp(
        id="fal-ai/bytedance/seedream/v4/edit",
        picture=_LIST,
        max_references=MAX_REFERENCES,
        takes=frozenset({Takes.SEED, Takes.NUM_IMAGES}),
        max_images=6,
        config={"max_images": Bounds(1, 6, is_whole=True)},
    ),
)
_CONVENTIONAL = frozenset(Takes) - {Takes.OUTPUT_FORMAT}


def unknown_picture_app(app_id: str) -> PictureApp:
    """Return the conventional description of an app; more pictures than one go as a list."""
    return PictureApp(
        id=app_id,
        picture="image_url",
        max_references=MAX_REFERENCES,
        takes=_CONVENTIONAL,
        is_known=False,
    )
