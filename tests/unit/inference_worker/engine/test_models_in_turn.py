"""Two real models on one engine: shared parts are loaded once, within the budget."""

from pathlib import Path

import pytest
from diffusers import FluxPipeline
from PIL import Image, ImageChops
from structlog.testing import capture_logs

from inference_worker.engine.model_engine import ModelEngine
from inference_worker.engine.model_store import ModelStore
from inference_worker.settings import InferenceSettings
from shared.cancellation import NEVER
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.errors import ResourceError
from shared.flux.engine import LoraUse, ignore_step
from shared.flux.model_cache.part_cache import PartCache
from shared.settings import ModelSettings
from tests.fixtures.loras import diffusers_names, random_pairs, saved
from tests.fixtures.tiny_flux import save_tiny_kontext

pytestmark = pytest.mark.models

_MODEL = ModelSettings(max_px=64, native_px=64, default_steps=2)


@pytest.fixture(scope="module")
def kontext_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of another pipeline class with the tiny FLUX's parts, except the transformer."""
    return save_tiny_kontext(tmp_path_factory.mktemp("kontext"))


def _generate(engine: ModelEngine, *loras: LoraUse) -> Image.Image:
    inputs = GenerationInputs(prompt="a red dress", width=64, height=64, seed=1)
    return engine.generate(inputs, None, loras, on_step=ignore_step, cancel=NEVER)[0]


def _instruct(engine: ModelEngine, base: Image.Image) -> Image.Image:
    inputs = EditingInputs(prompt="a red dress", base_image="a", width=64, height=64, seed=1)
    return engine.instruct(inputs, base, [], on_step=ignore_step, cancel=NEVER)[0]


def _engine(flux: Path, kontext: Path, budget_bytes: int) -> tuple[ModelEngine, PartCache]:
    settings = InferenceSettings(torch_threads=1, memory_bytes=budget_bytes)
    store = ModelStore(settings)
    editor = store.open(str(kontext))
    return ModelEngine(store, store.open(str(flux)), editor, settings, _MODEL), store.cache


def test_equal_parts_are_loaded_once(tiny_flux_folder: Path, kontext_folder: Path) -> None:
    engine, cache = _engine(tiny_flux_folder, kontext_folder, 10**9)
    base = _generate(engine)
    assert cache.num_loads == 4
    _instruct(engine, base)
    assert cache.num_loads == 4  # same seed, same weights: even the transformer is shared


@pytest.mark.long
def test_models_in_turn_stay_within_the_budget(tiny_flux_folder: Path, tmp_path: Path) -> None:
    other = save_tiny_kontext(tmp_path, seed=9)
    roomy, cache = _engine(tiny_flux_folder, other, 10**9)
    base = _generate(roomy)
    one_model = cache.used_bytes
    edited = _instruct(roomy, base)
    assert cache.num_loads == 8
    both = cache.used_bytes

    tight, cache = _engine(tiny_flux_folder, other, (one_model + both) // 2)
    peaks: list[int] = []
    for _ in range(3):
        assert ImageChops.difference(_generate(tight), base).getbbox() is None
        peaks.append(cache.used_bytes)
        assert ImageChops.difference(_instruct(tight, base), edited).getbbox() is None
        peaks.append(cache.used_bytes)
    assert max(peaks) <= (one_model + both) // 2
    loads = cache.num_loads
    _instruct(tight, base)
    assert cache.num_loads == loads  # the most recently used part is still loaded


@pytest.mark.long
def test_two_models_and_six_loras_in_turn_stay_within_the_budget(
    tiny_flux_folder: Path, tmp_path: Path
) -> None:
    other = save_tiny_kontext(tmp_path / "kontext", seed=9)
    roomy, cache = _engine(tiny_flux_folder, other, 10**9)
    base = _generate(roomy)
    one_model = cache.used_bytes
    loras = _six_loras(tiny_flux_folder, tmp_path)
    pictures = [_generate(roomy, lora) for lora in loras]
    lora_bytes = (cache.used_bytes - one_model) // len(loras)
    edited = _instruct(roomy, base)

    budget = one_model + 3 * lora_bytes
    tight, cache = _engine(tiny_flux_folder, other, budget)
    for lora, picture in zip(loras, pictures, strict=True):
        assert ImageChops.difference(_generate(tight, lora), picture).getbbox() is None
        assert cache.used_bytes <= budget
        assert ImageChops.difference(_instruct(tight, base), edited).getbbox() is None
        assert cache.used_bytes <= budget
    _generate(tight, loras[0])
    loads = cache.num_loads
    with capture_logs() as logs:
        for lora in (*loras[:2], *loras[:2]):  # with the model, these fit side by side
            _generate(tight, lora)
    assert cache.num_loads == loads
    loaded = [entry["sha256"] for entry in logs if entry["event"] == "lora_loaded"]
    assert loaded == [loras[1].sha256]


@pytest.mark.long
def test_unused_loras_are_evicted_before_parts(tiny_flux_folder: Path, tmp_path: Path) -> None:
    roomy, cache = _engine(tiny_flux_folder, tiny_flux_folder, 10**9)
    _generate(roomy)
    one_model = cache.used_bytes
    loras = _six_loras(tiny_flux_folder, tmp_path)
    pictures = [_generate(roomy, lora) for lora in loras]
    lora_bytes = (cache.used_bytes - one_model) // len(loras)

    budget = one_model + lora_bytes * 5 // 2
    tight, cache = _engine(tiny_flux_folder, tiny_flux_folder, budget)
    for _ in range(2):
        for lora, picture in zip(loras, pictures, strict=True):
            assert ImageChops.difference(_generate(tight, lora), picture).getbbox() is None
            assert cache.used_bytes <= budget
    assert cache.num_loads == 4


def test_a_lora_needs_no_denoiser_beside_the_encoders(
    tiny_flux_folder: Path, tmp_path: Path
) -> None:
    store = ModelStore(InferenceSettings())
    opened = store.open(str(tiny_flux_folder))
    loras = _six_loras(tiny_flux_folder, tmp_path)[:1]
    with store.encoding(opened, loras) as variant:
        opened.model.embed("a red dress", variant)
        assert not store.cache.has(opened.parts.key("transformer"))
    with store.denoising(opened, loras):
        assert store.cache.has(opened.parts.key("transformer"))


def test_a_lora_of_the_denoiser_loads_no_encoder(tiny_flux_folder: Path, tmp_path: Path) -> None:
    store = ModelStore(InferenceSettings())
    opened = store.open(str(tiny_flux_folder))
    with store.encoding(opened, _six_loras(tiny_flux_folder, tmp_path)[:1]) as variant:
        assert not variant
        for name in ("text_encoder", "text_encoder_2"):
            assert not store.cache.has(opened.parts.key(name))


def _six_loras(flux: Path, folder: Path) -> list[LoraUse]:
    transformer = FluxPipeline.from_pretrained(flux).transformer
    names = ["single_transformer_blocks.0.proj_out", "transformer_blocks.0.attn.to_q"]
    return [
        saved(diffusers_names(random_pairs(transformer, names, rank=64, seed=seed)), folder)
        for seed in range(6)
    ]


def test_a_model_that_does_not_fit_is_reported(
    tiny_flux_folder: Path, kontext_folder: Path
) -> None:
    engine, cache = _engine(tiny_flux_folder, kontext_folder, 100_000)
    with pytest.raises(ResourceError, match=r"needs .* MiB.*SARTIQ_INFERENCE_MEMORY_BYTES"):
        _generate(engine)
    assert cache.used_bytes <= 100_000
