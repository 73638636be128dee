"""Real pictures and videos."""

import io

import av
import pytest
from PIL import Image, ImageChops

from provider_worker.sandbox.orders import Order
from provider_worker.sandbox.pictures import BadPictureError, decode, draw, encode
from provider_worker.sandbox.video import LONG_SIDE, pan
from tests.fixtures.pictures import noisy_photo, picture


def _difference(first: Image.Image, second: Image.Image) -> float:
    histogram = ImageChops.difference(first.convert("L"), second.convert("L")).histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)


def test_an_edit_resembles_its_source_and_depends_on_the_seed() -> None:
    photo = noisy_photo()
    first, second = (draw(Order(seed=seed), photo, 0) for seed in (1, 2))
    assert first.size == photo.size
    assert 0 < _difference(first, photo) < 60
    assert first.tobytes() != second.tobytes()
    assert first.tobytes() == draw(Order(seed=1), photo, 0).tobytes()
    assert first.tobytes() != draw(Order(seed=1), photo, 1).tobytes()


@pytest.mark.parametrize("seed", [0, 7000])
def test_a_multiple_of_a_thousand_leaves_the_source_as_it_is(seed: int) -> None:
    assert draw(Order(seed=seed), noisy_photo(), 0).tobytes() == noisy_photo().tobytes()


def test_a_prompt_alone_gives_a_picture_of_its_own() -> None:
    drawn = [draw(Order(prompt=prompt, size=(64, 48)), None, 0) for prompt in ("a hat", "a dress")]
    assert [each.size for each in drawn] == [(64, 48)] * 2
    assert drawn[0].tobytes() != drawn[1].tobytes()


def test_each_lora_draws_a_dot() -> None:
    plain, once, twice = (draw(Order(size=(96, 96), dots=dots), None, 0) for dots in (0, 1, 2))
    assert 0 < _difference(plain, once) < _difference(plain, twice)


def test_transparency_survives_an_edit() -> None:
    source = Image.new("RGBA", (16, 16), (200, 0, 0, 77))
    assert draw(Order(seed=1), source, 0).getpixel((3, 3))[3] == 77  # type: ignore[index]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_file_of_its_kind(kind: str) -> None:
    opened = Image.open(io.BytesIO(encode(noisy_photo(), kind)))
    assert (opened.format, opened.size) == (kind, noisy_photo().size)


@pytest.mark.parametrize("content", [b"", b"no picture", picture()[:40]])
def test_a_file_that_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(BadPictureError):
        decode(content)


@pytest.mark.parametrize(
    ("seconds", "ratio", "size"),
    [(5, None, (LONG_SIDE, 240)), (3, 9 / 16, (180, LONG_SIDE)), (0.5, 1, (LONG_SIDE, LONG_SIDE))],
)
def test_a_video_has_the_duration_and_the_ratio(
    seconds: float, ratio: float | None, size: tuple[int, int]
) -> None:
    clip = pan(noisy_photo(), seconds, ratio)
    assert clip.content[4:8] == b"ftyp"
    with av.open(io.BytesIO(clip.content)) as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == size == clip.size
        frames = [frame.to_image() for frame in container.decode(video=0)]
        assert container.duration == pytest.approx(seconds * 1_000_000, rel=0.01)
    assert _difference(frames[0], frames[-1]) > 1
