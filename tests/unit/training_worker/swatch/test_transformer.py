import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_worker.swatch.transformer import draw_sigmas, pack, position_ids

pytestmark = pytest.mark.models


def test_packing_puts_each_patch_into_one_token() -> None:
    latents = torch.arange(2 * 4 * 4).view(1, 2, 4, 4)
    tokens = pack(latents)
    assert tokens.shape == (1, 4, 8)
    assert tokens[0, 1].tolist() == [2, 3, 6, 7, 18, 19, 22, 23]


def test_positions_count_rows_then_columns() -> None:
    assert position_ids(2, 2).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]


@given(shift=st.floats(1, 4), seed=st.integers(0, 1000))
def test_noise_levels_lean_to_the_noisy_end(shift: float, seed: int) -> None:
    plain, shifted = (
        draw_sigmas(50, value, torch.Generator().manual_seed(seed)) for value in (1.0, shift)
    )
    assert (shifted >= plain - 1e-6).all()
    assert shifted.max() <= 1
