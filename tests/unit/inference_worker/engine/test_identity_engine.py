"""The engine without a model."""

import threading

import pytest
from PIL import Image

from inference_worker.engine.identity_engine import IdentityEngine
from shared.cancellation import NEVER, Cancelled
from shared.contracts.generation import GenerationConfig, GenerationInputs
from shared.flux.engine import Edit, ignore_step


def _generate(prompt: str, seed: int, num_images: int = 1) -> list[bytes]:
    inputs = GenerationInputs(
        prompt=prompt,
        width=40,
        height=30,
        seed=seed,
        config=GenerationConfig(num_images=num_images),
    )
    pictures = IdentityEngine().generate(inputs, None, [], on_step=ignore_step, cancel=NEVER)
    assert all(picture.size == (40, 30) and picture.mode == "RGB" for picture in pictures)
    return [picture.tobytes() for picture in pictures]


def test_pictures_follow_from_prompt_and_seed() -> None:
    assert _generate("a", 1) == _generate("a", 1)
    assert _generate("a", 1) != _generate("b", 1)
    assert _generate("a", 1, num_images=2)[1] == _generate("a", 2)[0]


def test_reference_comes_back_at_the_size_asked_for(photo: Image.Image) -> None:
    inputs = GenerationInputs(prompt="", width=96, height=72, seed=0)
    (picture,) = IdentityEngine().generate(inputs, photo, [], on_step=ignore_step, cancel=NEVER)
    assert picture.tobytes() == photo.tobytes()


def test_edit_changes_nothing_and_counts_steps(photo: Image.Image) -> None:
    seen: list[tuple[int, int]] = []
    (edited,) = IdentityEngine().edit(
        [photo],
        [Edit("", strength=0.5, num_steps=3, seed=0)],
        on_step=lambda done, steps: seen.append((done, steps)),
        cancel=NEVER,
    )
    assert edited.tobytes() == photo.tobytes()
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_cancel_stops_before_the_next_step(photo: Image.Image) -> None:
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        IdentityEngine().edit(
            [photo],
            [Edit("", strength=0.5, num_steps=3, seed=0)],
            on_step=lambda done, steps: cancel.set(),
            cancel=cancel,
        )
