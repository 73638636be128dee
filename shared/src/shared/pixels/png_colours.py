"""ICC profiles from a PNG's colour chunks: gAMA and cHRM, or cICP."""

import math
import struct
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

_SIGNATURE_BYTES = 8
_MOST_CHUNKS = 100_000
_CURVE_POINTS = 4096
_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, tuple[tuple[float, float], ...]] = {
    1: (_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    4: ((0.310, 0.316), (0.670, 0.330), (0.210, 0.710), (0.140, 0.080)),
    5: (_D65, (0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""White, red, green and blue by ITU-T H.273's number: BT.709, 470M, 470BG, 601, 240M, 2020, P3."""

_WHITE_NITS = 203.0
"""The luminance of white in HDR pictures (BT.2408); brighter highlights are clipped."""

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_FROM_CONES = np.linalg.inv(_BRADFORD)
_D50 = np.array([0.9642, 1.0, 0.8249])

Matrix = NDArray[np.float64]
Curve = NDArray[np.float64]
"""Light, 0 to 1, by level, 0 to 1, in even steps."""
Chromaticity = Sequence[float]


def read_chunk(content: bytes, kind: bytes) -> bytes | None:
    """Return the first chunk of a kind before the pixels, or None."""
    position = _SIGNATURE_BYTES
    for _ in range(_MOST_CHUNKS):
        head = content[position : position + 8]
        if len(head) < 8 or head[4:] in {b"IDAT", b"IEND"}:
            return None
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] == kind:
            return content[position + 8 : position + 8 + length]
        position += 12 + length
    return None


def profile_of_code_points(chunk: bytes) -> bytes | None:
    """Return the profile of a cICP chunk (ITU-T H.273); None where its numbers are unknown."""
    if len(chunk) != 4:
        return None
    primaries, transfer, matrix, is_full_range = chunk
    curve = _TRANSFERS.get(transfer)
    if primaries not in _PRIMARIES or curve is None or matrix or is_full_range != 1:
        return None
    white, *others = _PRIMARIES[primaries]
    return matrix_profile(white, others, curve(np.linspace(0, 1, _CURVE_POINTS)))


def gamma_curve(gamma: float) -> Curve:
    """Return the light of each level as a power of it."""
    return np.linspace(0, 1, _CURVE_POINTS) ** min(max(gamma, 0.01), 100)


def matrix_profile(
    white: Chromaticity, primaries: Sequence[Chromaticity], curve: Curve
) -> bytes | None:
    """Return an ICC profile of RGB; None where no light has such colours.

    Args:
        white: x and y.
        primaries: of red, green and blue.
        curve: of all three.
    """
    points = np.array([white, *primaries], np.float64)
    if points.shape != (4, 2) or not np.isfinite(points).all() or (points[:, 1] <= 0).any():
        return None
    xyz: Matrix = np.stack([points[:, 0], points[:, 1], 1 - points.sum(1)], axis=1) / points[:, 1:]
    try:
        amounts = cast(Matrix, np.linalg.solve(xyz[1:].T, xyz[0]))  # pyright: ignore[reportUnknownMemberType] -- numpy leaves it out
    except np.linalg.LinAlgError:
        return None
    cones: Matrix = _BRADFORD @ xyz[0]
    if (np.abs(cones) < 1e-6).any() or not np.isfinite(amounts).all():
        return None
    gains: Matrix = np.diag(_BRADFORD @ _D50 / cones)
    colourants: Matrix = _FROM_CONES @ gains @ _BRADFORD @ (xyz[1:].T * amounts)
    if np.abs(colourants).max() > 4:
        return None
    return _encoded(colourants, curve)


def _encoded(colourants: NDArray[np.float64], curve: Curve) -> bytes:
    """Return the bytes of a profile (ICC.1:2001)."""
    levels = np.rint(np.clip(curve, 0, 1) * 65535).astype(">u2").tobytes()
    tags = {b"wtpt": _xyz(_D50)}
    tags |= {name + b"XYZ": _xyz(colourants[:, column]) for column, name in enumerate(_CHANNELS)}
    curved = b"curv" + bytes(4) + struct.pack(">I", len(curve)) + levels
    tags |= {name + b"TRC": curved for name in _CHANNELS}
    begin = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", begin + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI", begin + len(data), 0x02400000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _numbers(_D50)
    return header.ljust(128, b"\0") + table + data


_CHANNELS = (b"r", b"g", b"b")


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(values)


def _numbers(values: NDArray[np.float64]) -> bytes:
    return struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _power(gamma: float) -> Callable[[Curve], Curve]:
    return lambda levels: levels**gamma


def _srgb(levels: Curve) -> Curve:
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _pq(levels: Curve) -> Curve:
    """Return the light of SMPTE ST 2084 relative to white."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = levels ** (1 / m2)
    return 10_000 / _WHITE_NITS * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg(levels: Curve) -> Curve:
    """Return the light of ARIB STD-B67 relative to white, which has the level 0.75."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(levels <= 0.5, levels**2 / 3, (np.exp((levels - c) / a) + b) / 12)
    return light / ((math.exp((0.75 - c) / a) + b) / 12)


_TRANSFERS: dict[int, Callable[[Curve], Curve]] = {
    # Camera curves of video (BT.709, 601, 2020) are meant for displays with about sRGB's curve.
    **dict.fromkeys((1, 6, 14, 15), _srgb),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1),
    13: _srgb,
    16: _pq,
    18: _hlg,
}
"""Functions from level to light, by H.273's number."""
