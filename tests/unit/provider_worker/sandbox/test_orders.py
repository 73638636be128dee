"""Orders: sizes of results, and names of requests."""

import base64
from typing import Any

import pytest

from provider_worker.sandbox.fal_messages import known_output
from provider_worker.sandbox.fal_orders import charge_of, fal_order
from provider_worker.sandbox.orders import Order, marker_of, picture_marker, ratio_of


@pytest.mark.parametrize(
    ("order", "source", "size"),
    [
        (Order(size=(40, 24)), (8, 8), (40, 24)),
        (Order(factor=4), (30, 20), (120, 80)),
        (Order(area=1024 * 1024, ratio=1), (30, 20), (1024, 1024)),
        (Order(area=1024 * 1024, ratio=3 / 4), (30, 20), (880, 1184)),
        (Order(area=4 * 1024 * 1024), (300, 300), (2048, 2048)),
        (Order(), (30, 20), (30, 20)),
        (Order(), None, (1024, 1024)),
    ],
)
def test_the_size_follows_the_request(
    order: Order, source: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert order.size_of(source) == size


@pytest.mark.parametrize(
    ("app", "given", "expected"),
    [
        ("fal-ai/flux/dev", {"image_size": "portrait_16_9"}, {"size": (576, 1024)}),
        ("fal-ai/flux/dev", {"image_size": {"width": 96, "height": 64}}, {"size": (96, 64)}),
        ("fal-ai/flux-lora", {"loras": [{"path": "a"}, {"path": "b"}]}, {"dots": 2}),
        ("fal-ai/clarity-upscaler", {"upscale_factor": 3}, {"factor": 3, "count": 1}),
        ("fal-ai/aura-sr", {}, {"factor": 4}),
        ("fal-ai/nano-banana-pro/edit", {"resolution": "4K", "aspect_ratio": "9:16"},
         {"area": 16 * 1024 * 1024, "ratio": 9 / 16}),
        ("fal-ai/veo3.1", {"duration": "8s"}, {"video_s": 8, "ratio": 16 / 9}),
        ("acme/anything", {}, {"size": (64, 64), "is_lenient": True}),
    ],
)  # fmt: skip
def test_an_input_becomes_an_order(
    app: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    order = fal_order(app, given, known_output(app))
    assert {name: getattr(order, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("app", "given", "unit", "amount"),
    [
        ("fal-ai/flux/dev", {"image_size": {"width": 64, "height": 64}, "num_images": 3},
         "megapixels", 3),
        ("fal-ai/flux/dev", {"image_size": {"width": 2048, "height": 1024}}, "megapixels", 2),
        ("fal-ai/kling-video/v3/standard/text-to-video", {"duration": "7"}, "seconds", 7),
        ("fal-ai/kling-video/v3/standard/text-to-video", {}, "seconds", 5),
    ],
)  # fmt: skip
def test_an_input_has_a_price_in_units(
    app: str, given: dict[str, Any], unit: str, amount: float
) -> None:
    charge = charge_of(given, known_output(app))
    assert (charge.unit, charge.amount) == (unit, amount)


def test_a_request_is_named_by_the_first_that_it_has() -> None:
    content = base64.b64encode(b"picture").decode()
    named = picture_marker(f"data:image/png;base64,{content}")
    assert marker_of({"marker": "m", "prompt": "p", "seed": 1}, content) == "m"
    assert marker_of({"prompt": "p", "seed": 1}, content) == "p"
    assert marker_of({"prompt": "", "seed": 0}, content) == "0"
    assert marker_of({}, content) == named
    assert marker_of({}) == ""


def test_a_presigned_url_is_named_without_its_signature() -> None:
    first, second = (picture_marker(f"http://s3/a.png?signature={each}") for each in "xy")
    assert first == second != picture_marker("http://s3/b.png")


@pytest.mark.parametrize(("word", "ratio"), [("3:4", 0.75), ("auto", None), (None, None)])
def test_a_ratio_is_read(word: str | None, ratio: float | None) -> None:
    assert ratio_of(word) == ratio
