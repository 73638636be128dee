"""Datasets whose captions a model writes."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.contracts.datasets import PreparedDataset
from shared.contracts.enums import CaptioningStrategy, TransformType
from shared.contracts.transforms import Transform
from shared.pixels.images import sha256_hex
from tests.integration.inference_worker.conftest import Datasets

FLIP = Transform(type=TransformType.FLIP)


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


async def prepared(datasets: Datasets) -> PreparedDataset:
    keys = [await datasets.put("no.png", b"no picture")]
    keys += [await datasets.put(f"{seed}.png", picture(seed)) for seed in range(2)]
    keys.append(await datasets.put("large.png", picture(3, (1200, 600))))
    return await datasets.prepare(*keys, strategy=CaptioningStrategy.LLM, transforms=[FLIP])


async def test_small_pictures_are_stored_for_the_model(datasets: Datasets) -> None:
    result = await prepared(datasets)
    folder = f"{datasets.prefix}/dataset/captioning"
    assert result.to_caption == [f"{folder}/{index}.jpg" for index in (1, 2, 3)]
    assert {file.key for file in result.files} > set(result.to_caption)
    sizes = []
    for key in result.to_caption:
        content = await datasets.store.get(key)
        assert sha256_hex(content) in {file.sha256 for file in result.files}
        sizes.append(Image.open(io.BytesIO(content)).size)
    assert sizes == [(96, 64), (96, 64), (1024, 512)]
    assert datasets.progress.trainings[-1].preprocessing_stage == "captioning"


async def test_captions_enter_the_manifest(datasets: Datasets) -> None:
    result = await prepared(datasets)
    before = await datasets.manifest()
    replies = ["A red dress.\nOn a model.", "the [trigger] dress", "x" * 700]

    finished = await datasets.finish(result, dict(zip(result.to_caption, replies, strict=True)))

    manifest = await datasets.manifest()
    captions = [image.caption for image in manifest.images]
    assert captions[::2] == captions[1::2], "mirror images share their picture's caption"
    assert captions[::2] == [
        "zqx, A red dress. On a model.",
        "the zqx dress",
        f"zqx, {'x' * 500}",
    ]
    assert manifest.digest == manifest.with_digest().digest != before.digest
    assert manifest.model_copy(update={"images": before.images, "digest": before.digest}) == before
    [stored] = finished.files
    assert stored.sha256 == sha256_hex(await datasets.store.get(result.dataset_path))
    assert finished.warnings == []
    told = datasets.progress.trainings[-1]
    assert (told.preprocessing_stage, told.processed_files_count) == ("completed", 3)
    assert told.total_files_count == 4


@pytest.mark.parametrize("reply", ["", " \n ", None])
async def test_missing_caption_is_the_trigger_word(datasets: Datasets, reply: str | None) -> None:
    result = await prepared(datasets)
    captions = dict.fromkeys(result.to_caption, "a dress")
    if reply is None:
        del captions[result.to_caption[1]]
    else:
        captions[result.to_caption[1]] = reply

    finished = await datasets.finish(result, captions)

    captions = {image.index: image.caption for image in (await datasets.manifest()).images}
    assert captions == {1: "zqx, a dress", 2: "zqx", 3: "zqx, a dress"}
    # The run that asked the model counts them, with the reason.
    assert finished.warnings == []


async def test_finishing_twice_gives_the_same_manifest(datasets: Datasets) -> None:
    result = await prepared(datasets)
    captions = dict.fromkeys(result.to_caption, "a dress")
    first = await datasets.finish(result, captions)
    second = await datasets.finish(result, captions)
    assert first.files == second.files
