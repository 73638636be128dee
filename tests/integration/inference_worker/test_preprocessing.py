"""Datasets from source pictures, on the real object store."""

import io
import random
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from inference_worker.activities.preprocessing import DatasetPreparer
from shared.contracts.datasets import DatasetActivities
from shared.contracts.enums import CaptioningStrategy, TransformType
from shared.contracts.transforms import Transform
from shared.errors import InvalidInputError
from shared.pixels.images import sha256_hex
from tests.integration.inference_worker.conftest import Datasets, encoded

FILENAME = CaptioningStrategy.FILENAME


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Return soft random shapes, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


async def put_many(datasets: Datasets, count: int) -> list[str]:
    return [await datasets.put(f"dress {index}.png", picture(index)) for index in range(count)]


def test_activities_are_the_contracts() -> None:
    for name in ("preprocess_dataset", "finish_dataset"):
        own, contract = getattr(DatasetPreparer, name), getattr(DatasetActivities, name)
        definition = "__temporal_activity_definition"
        assert getattr(own, definition).name == getattr(contract, definition).name == name


async def test_dataset_has_archive_manifest_and_preview(datasets: Datasets) -> None:
    sources = await put_many(datasets, 3)

    result = await datasets.prepare(*sources)

    folder = f"{datasets.prefix}/dataset"
    names = ["images.zip", "preview.jpg", "manifest.json"]
    assert [file.key for file in result.files] == [f"{folder}/{name}" for name in names]
    for file in result.files:
        content = await datasets.store.get(file.key)
        assert (file.size_bytes, file.sha256) == (len(content), sha256_hex(content))
        found = await datasets.store.head(file.key)
        assert found is not None
        assert found.content_type == file.content_type
    assert result.dataset_path == f"{folder}/manifest.json"
    assert (result.processed_files_count, result.total_files_count) == (3, 3)
    assert (result.to_caption, result.log, result.warnings) == ([], [], [])
    assert result.executor_instance == "inference-worker@test:1"
    assert result.started_at < result.completed_at
    assert list(datasets.folder.iterdir()) == []


async def test_archive_holds_what_the_manifest_says(datasets: Datasets) -> None:
    await datasets.prepare(*await put_many(datasets, 3))

    manifest, archive = await datasets.manifest(), await datasets.archive()
    assert [image.name for image in manifest.images] == ["0000.png", "0001.png", "0002.png"]
    assert list(archive) == [image.name for image in manifest.images]
    assert manifest.resolutions == [64], "the model's own"
    for image in manifest.images:
        assert (image.width, image.height) == (96, 64)
        stored = archive[image.name]
        assert stored.size == image.bucket == (80, 48)
        assert stored.mode == "RGB"
        assert sha256_hex(encoded_again(stored)) == image.sha256
        assert image.caption == "zqx"
        assert not image.is_held_out
    assert manifest.digest == manifest.with_digest().digest != ""


def encoded_again(stored: Image.Image) -> bytes:
    from shared.pixels.images import encode_png  # noqa: PLC0415

    return encode_png(stored)


async def test_retry_writes_the_same_bytes(datasets: Datasets) -> None:
    sources = await put_many(datasets, 2)
    first, second = await datasets.prepare(*sources), await datasets.prepare(*sources)
    assert first.files == second.files


async def test_digest_changes_with_a_pixel_and_with_the_resolution(datasets: Datasets) -> None:
    key = await datasets.put("a.png", picture(1, (64, 64)))
    digests: list[str] = []
    for resolutions in ([64], [48]):
        await datasets.prepare(key, resolutions=resolutions)
        digests.append((await datasets.manifest()).digest)
    changed = picture(1, (64, 64))
    changed.putpixel((5, 5), (1, 2, 3))
    await datasets.put("a.png", changed)
    await datasets.prepare(key, resolutions=[64])
    digests.append((await datasets.manifest()).digest)
    assert len(set(digests)) == 3


async def test_one_image_alone_is_a_dataset(datasets: Datasets) -> None:
    result = await datasets.prepare(*await put_many(datasets, 1))
    assert result.processed_files_count == 1
    assert len((await datasets.manifest()).images) == 1


@pytest.mark.parametrize("count", [1, 3])
async def test_without_one_usable_image_it_fails(datasets: Datasets, count: int) -> None:
    keys = [await datasets.put(f"{index}.png", b"no picture") for index in range(count)]
    with pytest.raises(InvalidInputError, match=r"none .* image 0 \(0\.png\): the picture cannot"):
        await datasets.prepare(*keys)
    assert await datasets.store.list(f"{datasets.prefix}/dataset/") == []
    assert list(datasets.folder.iterdir()) == []


async def test_one_broken_image_of_twenty_is_named(datasets: Datasets) -> None:
    sources = await put_many(datasets, 20)
    whole = encoded(picture(7))
    await datasets.put("dress 7.png", whole[: len(whole) // 2])

    result = await datasets.prepare(*sources)

    manifest = await datasets.manifest()
    assert (result.processed_files_count, result.total_files_count) == (19, 20)
    [skipped] = manifest.skipped
    assert (skipped.index, skipped.source) == (7, sources[7])
    assert "damaged" in skipped.reason
    assert [image.index for image in manifest.images] == [*range(7), *range(8, 20)]
    assert result.log == [f"image 7 (dress 7.png) is not used: {skipped.reason}"]
    assert result.warnings == ["1 image was not used; the log names them."]


async def test_huge_picture_is_refused_by_its_header(datasets: Datasets) -> None:
    """The file has no pixels: only its header can be read."""
    head = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(head, "PNG")
    huge = await datasets.put("huge.png", head.getvalue()[:100])
    await datasets.prepare(huge, *await put_many(datasets, 2))
    [skipped] = (await datasets.manifest()).skipped
    assert "too many pixels; at most 89000000 are read" in skipped.reason


async def test_missing_objects_and_unfetched_urls_are_bad(datasets: Datasets) -> None:
    good = await put_many(datasets, 15)
    away, failed = "https://images.example/a.png", "https://images.example/b.png"
    result = await datasets.prepare(
        f"{datasets.prefix}/inputs/none.png", away, failed, *good, faults_at={2: "404"}
    )
    reasons = [skipped.reason for skipped in (await datasets.manifest()).skipped]
    assert reasons == [
        "its object does not exist",
        "was not fetched: start the training again",
        "404",
    ]
    assert result.processed_files_count == 15


async def test_exif_orientation_turns_the_picture(datasets: Datasets) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    key = await datasets.put("phone.jpg", encoded(picture(1, (96, 64)), "JPEG", exif=exif))
    await datasets.prepare(key)
    [image] = (await datasets.manifest()).images
    assert (image.width, image.height, image.bucket) == (64, 96, (48, 80))


async def test_hidden_colours_do_not_show(datasets: Datasets) -> None:
    """RGBA, a palette with transparency, and CMYK are trained on as people see them."""
    hidden = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    hidden.paste((0, 0, 255, 255), (0, 0, 64, 32))
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([255, 0, 0, 0, 128, 0])
    palette.paste(1, (0, 0, 32, 64))
    cmyk = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    keys = [
        await datasets.put("rgba.png", hidden),
        await datasets.put("palette.png", encoded(palette, transparency=0)),
        await datasets.put("cmyk.jpg", encoded(cmyk, "JPEG", quality=95)),
    ]
    await datasets.prepare(*keys)
    rgba, pal, print_colours = (np.asarray(each) for each in (await datasets.archive()).values())
    assert rgba[60, 30].tolist() == [255, 255, 255]
    assert rgba[2, 30].tolist() == [0, 0, 255]
    assert pal[30, 60].tolist() == [255, 255, 255]
    assert pal[30, 2].tolist() == [0, 128, 0]
    red, green, blue = print_colours[30, 30].tolist()
    assert red > 150
    assert max(green, blue) < 100


async def test_duplicates_are_left_out_and_named(datasets: Datasets) -> None:
    large = picture(1, (200, 160))
    small = await datasets.put("small.png", large.resize((100, 80), Image.Resampling.LANCZOS))
    other = await datasets.put("other.png", picture(2))
    whole = await datasets.put("large.png", large)

    result = await datasets.prepare(small, other, whole)

    manifest = await datasets.manifest()
    assert [image.index for image in manifest.images] == [1, 2]
    [duplicate] = manifest.duplicates
    assert (duplicate.index, duplicate.source, duplicate.kept_index) == (0, small, 2)
    assert result.log == [
        "image 0 (small.png) shows the same as image 2 (large.png), which is used"
    ]
    assert result.processed_files_count == 2


async def test_shuffled_sources_keep_their_captions(datasets: Datasets) -> None:
    colours = ["red", "green", "blue", "yellow", "black", "white"]
    random.Random(1).shuffle(colours)
    keys = [
        await datasets.put(f"{colour}_dress_{index}.png", Image.new("RGB", (64, 64), colour))
        for index, colour in enumerate(colours)
    ]
    await datasets.prepare(*keys, strategy=FILENAME)
    archive = await datasets.archive()
    for image in (await datasets.manifest()).images:
        colour = image.caption.removeprefix("zqx, ").removesuffix(" dress")
        expected = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert archive[image.name].getpixel((30, 30)) == expected


async def test_japanese_trigger_and_names(datasets: Datasets) -> None:
    key = await datasets.put("0123456789abcdef.png", picture(1))
    own = await datasets.put("青い服_1.png", picture(2))
    url = f"https://images.example/{quote('赤い服')}_02.png?signature=x"
    result = await datasets.prepare(
        url, own, key, fetched={url: key}, strategy=FILENAME, trigger="靴屋"
    )
    captions = [image.caption for image in (await datasets.manifest()).images]
    # The same object twice: the URL's is kept as the first of two equal pictures.
    assert captions == ["靴屋, 赤い服", "靴屋, 青い服"]
    assert "image 0 (赤い服_02.png)" in result.log[0]


async def test_pictures_without_names_are_warned_about_once(datasets: Datasets) -> None:
    keys = [await datasets.put(f"{seed:016x}.png", picture(seed)) for seed in range(3)]
    result = await datasets.prepare(*keys, strategy=FILENAME)
    assert {image.caption for image in (await datasets.manifest()).images} == {"zqx"}
    [warning] = result.warnings
    assert warning.startswith("3 images were captioned by the trigger word alone")


async def test_small_picture_is_enlarged_with_a_warning(datasets: Datasets) -> None:
    key = await datasets.put("icon.png", picture(1, (20, 20)))
    result = await datasets.prepare(key, resolutions=[1024])
    [image] = (await datasets.manifest()).images
    assert (image.bucket, image.notes) == ((64, 64), ["enlarged to 3.2 times its size"])
    assert result.warnings[0].startswith("1 image was enlarged")


async def test_transforms_apply_before_the_bucket(datasets: Datasets) -> None:
    key = await datasets.put("a.png", picture(1, (200, 100)))
    transforms = [
        Transform(type=TransformType.CENTER_CROP),
        Transform(type=TransformType.FLIP),
    ]
    await datasets.prepare(key, transforms=transforms, resolutions=[32, 64])
    manifest, archive = await datasets.manifest(), await datasets.archive()
    assert {image.name: (image.width, image.bucket) for image in manifest.images} == {
        "0000-32.png": (100, (32, 32)),
        "0000-64.png": (100, (64, 64)),
        "0000-mirror-32.png": (100, (32, 32)),
        "0000-mirror-64.png": (100, (64, 64)),
    }
    left, right = (np.asarray(archive[f"0000{suffix}-64.png"]) for suffix in ("", "-mirror"))
    assert abs(left.astype(int) - right[:, ::-1]).max() <= 1
    assert manifest.transforms == transforms


async def test_pictures_left_out_by_a_transform_are_not_bad(datasets: Datasets) -> None:
    class Nobody:
        def faces(self, _picture: object) -> list[object]:
            return []

    datasets.models = type("Models", (), {"faces": Nobody()})()
    skip = Transform(type=TransformType.FACE_CROP, parameters={"on_missing": "skip"})
    with pytest.raises(InvalidInputError, match=r"no source image is left: .*no face was found"):
        await datasets.prepare(*await put_many(datasets, 3), transforms=[skip])


@pytest.mark.parametrize(("count", "share", "expected"), [(9, 0.5, 0), (10, 0.1, 1), (12, 0.25, 3)])
async def test_variants_of_held_out_pictures_go_together(
    datasets: Datasets, count: int, share: float, expected: int
) -> None:
    flip = Transform(type=TransformType.FLIP)
    sources = await put_many(datasets, count)
    await datasets.prepare(*sources, transforms=[flip], held_out_share=share)
    images = (await datasets.manifest()).images
    held_out = {image.index for image in images if image.is_held_out}
    assert len(held_out) == expected
    assert [image.is_held_out for image in images] == [image.index in held_out for image in images]


async def test_stages_and_counts_are_reported(datasets: Datasets) -> None:
    sources = await put_many(datasets, 2)
    await datasets.prepare(*sources)
    told = datasets.progress.trainings
    stages = list(dict.fromkeys(report.preprocessing_stage for report in told))
    assert stages == [
        "downloading",
        "validating",
        "deduplicating",
        "transforming",
        "captioning",
        "bucketing",
        "completed",
    ]
    for stage in stages[:-1]:
        counts = [r.processed_files_count for r in told if r.preprocessing_stage == stage]
        assert counts == [0, 1, 2], stage
    assert {(r.total_files_count, r.training_id) for r in told} == {(2, datasets.training_id)}
