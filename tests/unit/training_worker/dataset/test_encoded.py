"""Encoded datasets: what the cache is keyed by, and the files that they are read from."""

import threading
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from shared.cancellation import Cancelled
from shared.contracts.datasets import DatasetManifest
from shared.errors import InvalidInputError
from shared.flux.pipeline.autoencoder import decode_scaled
from shared.flux.pipeline.encode import PromptEncoder
from tests.fixtures.lora_training import encoded, open_base, write_dataset
from training_worker.dataset.cache import TensorCache
from training_worker.dataset.encoded import encode_dataset
from training_worker.dataset.encoding import DatasetEncoder
from training_worker.dataset.files import read_manifest, read_picture
from training_worker.model.base import BaseModel

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return open_base()


def test_latents_decode_to_the_picture_and_text_is_generations(
    base: BaseModel, tmp_path: Path
) -> None:
    manifest = write_dataset(tmp_path, [(64, 64)], captions=["a red dress"])
    (item,) = encoded(tmp_path, manifest, base).items
    with torch.no_grad():
        decoded = decode_scaled(base.components.vae, item.latents)
        prompt = PromptEncoder(base.components).encode("a red dress")
    picture = read_picture(tmp_path / "archive.zip", item.image)
    pixels = base.components.image_processor.preprocess(picture, 64, 64)
    assert (decoded - pixels).abs().mean() < 0.2
    assert torch.equal(item.prompt.prompt_embeds, prompt.prompt_embeds)
    assert torch.equal(item.prompt.pooled_prompt_embeds, prompt.pooled_prompt_embeds)
    assert item.prompt.text_ids.shape == prompt.text_ids.shape


def test_a_second_training_loads_neither_encoders_nor_vae(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, [(32, 32), (48, 32)], held_out=1)
    encoded(tmp_path, manifest, open_base())
    second = open_base()
    dataset = encoded(tmp_path, manifest, second)
    assert second.cache.num_loads == 0
    assert [item.image.index for item in dataset.items] == [0]
    assert [item.image.index for item in dataset.held_out] == [1]


def test_encoding_stops_between_two_pictures(base: BaseModel, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, [(32, 32), (48, 32)])
    cache = TensorCache(tmp_path / "cache", torch.device("cpu"), memory_bytes=0, disk_bytes=2**30)
    flag = threading.Event()
    flag.set()
    with pytest.raises(Cancelled):
        encode_dataset(manifest, tmp_path / "archive.zip", base, cache, cancel=flag)
    assert not list((tmp_path / "cache").iterdir())


def test_keys_change_with_all_that_decides_the_tensors(base: BaseModel, tmp_path: Path) -> None:
    image = write_dataset(tmp_path, [(32, 32)]).images[0]
    encoder = DatasetEncoder(base, tmp_path / "archive.zip")
    half = DatasetEncoder(open_base(dtype=torch.bfloat16), tmp_path / "archive.zip")
    keys = [
        encoder.latents_key(image),
        encoder.latents_key(image.model_copy(update={"sha256": "another pixel"})),
        encoder.latents_key(image.model_copy(update={"bucket": (32, 48)})),
        half.latents_key(image),
        encoder.prompt_key("zqx"),
        encoder.prompt_key(""),
        half.prompt_key("zqx"),
    ]
    assert len(set(keys)) == len(keys)
    renamed = image.model_copy(update={"name": "b.png", "caption": "other"})
    assert encoder.latents_key(renamed) == encoder.latents_key(image)


def test_a_file_deleted_in_the_middle_is_encoded_again(base: BaseModel, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, [(32, 32)])
    (item,) = encoded(tmp_path, manifest, base).items
    expected = item.latents.clone()
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    item.cache._kept.clear()  # type: ignore[attr-defined]
    assert torch.equal(item.latents, expected)


def _rewrite(folder: Path, manifest: DatasetManifest) -> None:
    (folder / "manifest.json").write_text(manifest.model_dump_json())


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, [(32, 32)])
    assert read_manifest(tmp_path / "manifest.json") == manifest


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, [(32, 32)])
    changed = [manifest.images[0].model_copy(update={"caption": "other"})]
    _rewrite(tmp_path, manifest.model_copy(update={"images": changed}))
    with pytest.raises(InvalidInputError, match="digest"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize(("content", "words"), [("{", "damaged"), ("{}", "damaged")])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InvalidInputError, match=words):
        read_manifest(tmp_path / "manifest.json")


def test_a_dataset_of_held_out_pictures_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, [(32, 32)], held_out=1)
    with pytest.raises(InvalidInputError, match="no picture"):
        read_manifest(tmp_path / "manifest.json")


def test_pictures_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    image = write_dataset(tmp_path, [(32, 32)]).images[0]
    archive = tmp_path / "archive.zip"
    with pytest.raises(InvalidInputError, match=r"9\.png cannot be read"):
        read_picture(archive, image.model_copy(update={"name": "9.png"}))
    with pytest.raises(InvalidInputError, match="bucket"):
        read_picture(archive, image.model_copy(update={"bucket": (48, 32)}))
    with zipfile.ZipFile(archive, "w") as opened, opened.open(image.name, "w") as file:
        Image.new("RGB", (32, 32)).save(file, "PNG")
    with pytest.raises(InvalidInputError, match="not the manifest's"):
        read_picture(archive, image)
