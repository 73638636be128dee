"""Aspect ratios and factors of enlargement."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provider_worker.fal.convert.geometry import least_factor
from provider_worker.ratios import nearest_ratio
from shared.contracts.fal_apps.app import PictureApp, UpscalerApp
from shared.contracts.fal_apps.pictures import EDITORS
from shared.contracts.fal_apps.upscalers import UPSCALERS

_SIDES = st.integers(1, 16_384)
_SIZES = st.tuples(_SIDES, _SIDES)
_RATIOS = st.sampled_from([app.ratios for app in EDITORS if app.ratios])


def _of(ratio: str) -> Fraction:
    across, down = map(int, ratio.split(":"))
    return Fraction(across, down)


@given(_RATIOS, st.integers(1, 500), st.data())
def test_an_exact_ratio_is_taken(ratios: tuple[str, ...], scale: int, data: st.DataObject) -> None:
    ratio = data.draw(st.sampled_from(ratios))
    across, down = map(int, ratio.split(":"))
    assert _of(nearest_ratio(across * scale, down * scale, ratios)) == _of(ratio)


@given(_RATIOS, _SIZES)
def test_no_other_ratio_is_nearer(ratios: tuple[str, ...], size: tuple[int, int]) -> None:
    asked = size[0] / size[1]
    away = {ratio: abs(math.log(asked / float(_of(ratio)))) for ratio in ratios}
    assert away[nearest_ratio(*size, ratios)] == pytest.approx(min(away.values()))


@given(_RATIOS, _SIZES)
def test_a_mirrored_size_has_the_mirrored_ratio(
    ratios: tuple[str, ...], size: tuple[int, int]
) -> None:
    assume(all(":".join(reversed(ratio.split(":"))) in ratios for ratio in ratios))
    away = sorted(abs(math.log(size[0] / size[1] / float(_of(ratio)))) for ratio in ratios)
    assume(away[1] - away[0] > 1e-9)
    found = _of(nearest_ratio(*size, ratios))
    assert _of(nearest_ratio(size[1], size[0], ratios)) == 1 / found


@given(_SIZES, _SIZES)
def test_the_factor_covers_the_target_and_is_the_least(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    factor = least_factor(size, target)
    assert factor >= 1
    assert all(given * factor >= wanted - 0.05 for given, wanted in zip(size, target, strict=True))
    assert factor == 1 or factor - 1.1e-4 < max(
        wanted / given for given, wanted in zip(size, target, strict=True)
    )


@pytest.mark.parametrize("factor", [1, 1.1, 1.5, 2, 2.2, 3.3, 4])
def test_a_round_factor_stays_round(factor: float) -> None:
    assert least_factor((1000, 700), (round(1000 * factor), round(700 * factor))) == factor


@given(st.sampled_from(UPSCALERS), st.floats(1, 20))
def test_a_fitting_factor_is_one_that_the_app_takes(app: UpscalerApp, least: float) -> None:
    factor = app.fitting_factor(least)
    if factor is None:
        assert least > app.largest_factor
    else:
        assert factor >= least
        assert app.factors.fault(int(factor) if factor == int(factor) else factor) is None


@given(st.sampled_from([app for app in EDITORS if app.ratios]))
def test_ratios_are_distinct_fractions(app: PictureApp) -> None:
    assert len({_of(ratio) for ratio in app.ratios}) == len(app.ratios)
