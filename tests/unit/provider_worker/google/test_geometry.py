"""The shape of a result, and the requested one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.google.geometry import deviation, is_off
from shared.contracts.gemini_images import RATIOS, canonical_size, nominal

PRO, FLASH = "gemini-3-pro-image", "gemini-2.5-flash-image"


@pytest.mark.parametrize("model", [PRO, FLASH])
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_models_own_sizes_are_exact(model: str, ratio: str) -> None:
    assert deviation(model, ratio, canonical_size(model, ratio, "2K")) == 0


@pytest.mark.property
@given(ratio=st.sampled_from(RATIOS), height=st.integers(512, 4096), factor=st.floats(0.985, 1.015))
def test_a_little_more_or_less_is_no_other_shape(ratio: str, height: int, factor: float) -> None:
    assert not is_off(deviation(PRO, ratio, (round(height * nominal(ratio) * factor), height)))


@pytest.mark.property
@given(
    ratio=st.sampled_from(RATIOS),
    height=st.integers(512, 4096),
    factor=st.floats(1.06, 4) | st.floats(0.1, 0.94),
)
def test_another_shape_is_told(ratio: str, height: int, factor: float) -> None:
    assert is_off(deviation(PRO, ratio, (round(height * nominal(ratio) * factor), height)))


def test_deviation_is_a_fraction() -> None:
    assert deviation(PRO, "1:1", (1100, 1000)) == pytest.approx(0.1)
