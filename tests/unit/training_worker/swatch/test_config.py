import pytest
from pydantic import ValidationError

from training_worker.swatch.autoencoder import build_autoencoder
from training_worker.swatch.config import IMAGE_SIZE_PX, AutoencoderConfig, SwatchConfig
from training_worker.swatch.text import TextTokenizers
from training_worker.swatch.transformer import SwatchModel

pytestmark = pytest.mark.models


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SwatchConfig().seed = 1


def test_autoencoder_halves_three_times() -> None:
    config = AutoencoderConfig()
    model = build_autoencoder(config)
    assert 2 ** (len(config.block_channels) - 1) == 8
    assert model.config.sample_size == IMAGE_SIZE_PX
    assert model.config.latent_channels == config.latent_channels


def test_whole_model_fits_in_eight_megabytes_of_bfloat16() -> None:
    config = SwatchConfig()
    tokenizers = TextTokenizers.build(config.transformer)
    model = SwatchModel(config.transformer, tokenizers, config.autoencoder.latent_channels)
    parts = (build_autoencoder(config.autoencoder), model)
    assert sum(2 * p.numel() for part in parts for p in part.parameters()) < 8_000_000 - 200_000


def test_transformer_starts_with_no_velocity() -> None:
    config = SwatchConfig()
    tokenizers = TextTokenizers.build(config.transformer)
    model = SwatchModel(config.transformer, tokenizers, config.autoencoder.latent_channels)
    assert not model.transformer.proj_out.weight.any()
