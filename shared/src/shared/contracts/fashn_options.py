"""The keys of `config` that FASHN's models take, and FASHN's limits. Pure."""

from collections.abc import Mapping

from shared.contracts.options import Bounds, Choices, Flag, Option

TRYON, TRYON_MAX = "tryon-v1.6", "tryon-max"
MODEL_NAME = Choices((TRYON, TRYON_MAX))
IMAGE_HEIGHTS = Bounds(256, 8000, is_whole=True)
"""Values of `max_image_height`."""

OPTIONS: Mapping[str, Mapping[str, Option]] = {
    TRYON: {
        "category": Choices(("auto", "tops", "bottoms", "one-pieces")),
        "garment_photo_type": Choices(("auto", "flat-lay", "model")),
        "mode": Choices(("performance", "balanced", "quality")),
        "moderation_level": Choices(("conservative", "permissive", "none")),
        "num_samples": Bounds(1, 4, is_whole=True),
        "segmentation_free": Flag(),
    },
    TRYON_MAX: {
        "generation_mode": Choices(("balanced", "quality")),
        "resolution": Choices(("1k", "2k", "4k")),
        "num_images": Bounds(1, 4, is_whole=True),
    },
}
"""Keys of `config` by model; `model_name` itself is one more."""
