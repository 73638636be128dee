"""The transform color_normalize."""

from PIL import Image, ImageOps, ImageStat

from shared.contracts.transforms import ColorNormalize

_LEAST_GAIN, _MOST_GAIN = 0.5, 2.0


def normalize_colours(picture: Image.Image, wanted: ColorNormalize) -> Image.Image:
    """Remove a colour cast from an RGB picture, by `strength`."""
    if wanted.method == "gray_world":
        return _to_gray_world(picture, wanted.strength)
    stretched = ImageOps.autocontrast(picture, cutoff=wanted.cutoff)
    return Image.blend(picture, stretched, wanted.strength)


def _to_gray_world(picture: Image.Image, strength: float) -> Image.Image:
    means = ImageStat.Stat(picture).mean
    common = sum(means) / len(means)
    levels: list[int] = []
    for mean in means:
        gain = min(max(common / mean, _LEAST_GAIN), _MOST_GAIN) if mean else 1
        weighted = 1 + strength * (gain - 1)
        levels += [min(255, round(level * weighted)) for level in range(256)]
    return picture.point(levels)
