import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

from training_worker.swatch.config import KontextConfig, SwatchConfig
from training_worker.swatch.data import Split
from training_worker.swatch.editing.pairs import PairBank, draw_edit_batch, fill_pair_bank

pytestmark = pytest.mark.models


def bank() -> PairBank:
    """A bank of ten garments with identifying latents: channel 0 garment, channel 1 shade."""
    shades = torch.tensor([[garment % 9 * 2, (garment + 1) % 9 * 2] for garment in range(10)])
    latents = torch.zeros(10, 2, 16, 8, 8)
    latents[:, :, 0] = torch.arange(10.0)[:, None, None, None]
    latents[:, :, 1] = shades.float()[:, :, None, None]
    return PairBank(latents=latents, shades=shades, labels=torch.arange(10), shades_per_colour=2)


def shares_of(*, reference: float, borrow: float, keep: float = 0) -> SwatchConfig:
    shares = {"reference_share": reference, "borrow_share": borrow, "keep_share": keep}
    return SwatchConfig(kontext=KontextConfig.model_validate(shares))


def clean(recipe: SwatchConfig, seed: int = 0) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return garment and shade of the target and of each context: [B, 2]."""
    batch = draw_edit_batch(bank(), recipe, seed)
    target = batch.latents - batch.sigma[:, None, None, None] * _unpacked(batch.velocity)
    return tuple_of(target), [tuple_of(context) for context in batch.contexts]


def _unpacked(velocity: torch.Tensor) -> torch.Tensor:
    patches = velocity.view(-1, 4, 4, 16, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(-1, 16, 8, 8)


def tuple_of(latents: torch.Tensor) -> torch.Tensor:
    return latents[:, :2, 0, 0].round()


def test_edit_by_words_keeps_the_garment_and_changes_its_shade() -> None:
    target, (base,) = clean(shares_of(reference=0, borrow=0))
    assert torch.equal(target[:, 0], base[:, 0])
    assert (target[:, 1] != base[:, 1]).all()


def test_edit_by_reference_takes_the_shade_of_another_picture() -> None:
    target, (base, reference) = clean(shares_of(reference=1, borrow=1))
    assert torch.equal(target[:, 0], base[:, 0])
    assert torch.equal(target[:, 1], reference[:, 1])


def test_words_override_a_reference() -> None:
    target, (base, reference) = clean(shares_of(reference=1, borrow=0))
    assert torch.equal(target[:, 0], base[:, 0])
    assert (target[:, 1] != reference[:, 1]).any()


def test_kept_pictures_are_the_base() -> None:
    target, (base,) = clean(shares_of(reference=0, borrow=0, keep=1))
    assert torch.equal(target, base)


def test_same_seed_draws_the_same_edits() -> None:
    first, second = (draw_edit_batch(bank(), SwatchConfig(), seed=3) for _ in range(2))
    assert first.instructions == second.instructions
    assert torch.equal(first.latents, second.latents)


@pytest.mark.long
def test_bank_has_each_garment_in_two_colours(
    swatch: FluxPipeline, split: Split, config: SwatchConfig
) -> None:
    filled = fill_pair_bank(split, swatch.vae, config)
    assert filled.latents.shape == (20, 2, 16, 8, 8)
    assert all(filled.colour(garment, 0) != filled.colour(garment, 1) for garment in range(20))
    assert 0.5 < filled.latents.std() < 2
