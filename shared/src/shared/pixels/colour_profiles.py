"""Conversion of every picture that Pillow opens to 8-bit sRGB: L, LA, RGB or RGBA."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from shared.pixels.png_colours import (
    gamma_curve,
    matrix_profile,
    profile_of_code_points,
    read_chunk,
)

_PROFILE_SPACES = {"L": {"GRAY", "RGB"}, "RGB": {"RGB"}, "CMYK": {"CMYK"}}
"""The colour spaces whose profiles can describe pixels of each mode; grey is also an RGB."""
_SPACE_IN_HEADER = slice(16, 20)
_LATTICE_STEPS = np.linspace(0, 255, 9).astype(np.uint8)
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def own_profile(image: Image.Image, content: bytes) -> bytes | None:
    """Return the ICC profile of a picture's colours; None means sRGB.

    PNGs have other chunks for it. As in browsers, the first of these decides: cICP, iCCP, sRGB,
    gAMA with cHRM. One of the last two alone is ignored, since the other would be a guess.

    Args:
        image: just opened, its pixels not read yet.
        content: the file.
    """
    if image.format == "PNG":
        code_points = read_chunk(content, b"cICP")
        if code_points is not None and (profile := profile_of_code_points(code_points)):
            return profile
    embedded: object = image.info.get("icc_profile")
    if isinstance(embedded, bytes) and embedded:
        return embedded
    gamma: object = image.info.get("gamma")
    chromaticities: Sequence[float] = image.info.get("chromaticity", ())
    if image.format != "PNG" or "srgb" in image.info or len(chromaticities) != 8:
        return None
    if not isinstance(gamma, float) or not gamma:
        return None
    white, *primaries = zip(chromaticities[::2], chromaticities[1::2], strict=True)
    return matrix_profile(white, primaries, gamma_curve(1 / gamma))


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply a picture's own profile; without one, or with a broken one, it is taken as sRGB.

    Browsers treat broken profiles alike. CMYK without a profile is converted by Pillow's formula.
    Alpha stays unchanged; of 16 bits the upper 8 are kept.
    """
    image = _to_eight_bits(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode == "LA" else "RGBA")
        alpha = image.getchannel("A")
    elif image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    colours = _drop_alpha(image)
    managed = _apply(colours, profile) if profile else colours
    if managed.mode == "CMYK":
        managed = managed.convert("RGB")
    if alpha is not None:
        managed.putalpha(alpha)
    return managed


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Drop the lower bits of 16-bit greyscale, which Pillow would clip."""
    if not image.mode.startswith("I"):
        return image
    deep: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
    grey = Image.fromarray((deep >> 8).astype(np.uint8))
    transparent: object = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(deep == transparent, 0, 255).astype(np.uint8)))
    return grey


def _drop_alpha(image: Image.Image) -> Image.Image:
    """Return the stored colours, also those of transparent pixels."""
    if image.mode not in {"LA", "RGBA"}:
        return image
    bands = image.split()[:-1]
    return bands[0] if len(bands) == 1 else Image.merge("RGB", bands)


def _apply(image: Image.Image, profile: bytes) -> Image.Image:
    space = profile[_SPACE_IN_HEADER].decode("latin-1").strip()
    if space not in _PROFILE_SPACES[image.mode]:
        return image
    mode = "L" if space == "GRAY" else space
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] -- C code
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    # Most profiles are sRGB: such pictures keep their exact pixels.
    if mode == "RGB" and _is_identity(transform):
        return image
    if image.mode != mode:
        image = image.convert(mode)
    return transform.apply(image)


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return True where no colour of a lattice changes by more than rounding."""
    axes = np.meshgrid(_LATTICE_STEPS, _LATTICE_STEPS, _LATTICE_STEPS, indexing="ij")
    lattice = np.stack([axis.ravel() for axis in axes], axis=1)[np.newaxis]
    moved = np.asarray(transform.apply(Image.fromarray(lattice))).astype(np.int16)
    return int(np.abs(moved - lattice).max()) <= 1
