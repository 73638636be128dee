"""Attempts without progress are counted, and given up after three."""

import json

import pytest

from shared.errors import ResourceError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.lora_training import TRAINING
from training_worker.state.attempts import Attempts
from training_worker.state.objects import LoopObjects

pytestmark = pytest.mark.models


def attempt(objects: LoopObjects, newest_step: int) -> Attempts:
    """Begin an attempt, as a new process does."""
    attempts = Attempts(objects, TRAINING)
    attempts.begin(newest_step)
    return attempts


def test_three_attempts_may_fail_at_one_place(objects: LoopObjects) -> None:
    for _ in range(3):
        attempt(objects, 10)
    with pytest.raises(ResourceError, match=r"step 10.*killed") as raised:
        attempt(objects, 10)
    assert raised.value.is_final


def test_a_newer_state_counts_anew(objects: LoopObjects) -> None:
    for step in (0, 0, 0, 10, 10, 10, 20, 20, 20):
        attempt(objects, step)
    with pytest.raises(ResourceError):
        attempt(objects, 20)


def test_an_older_state_is_no_progress(objects: LoopObjects) -> None:
    for step in (20, 10, 20):
        attempt(objects, step)
    with pytest.raises(ResourceError):
        attempt(objects, 10)


def test_the_last_error_is_named(objects: LoopObjects) -> None:
    for number in range(3):
        attempt(objects, 0).failed(ValueError(f"fault {number}"))
    with pytest.raises(ResourceError, match="fault 2"):
        attempt(objects, 0)


def test_a_shutdown_does_not_count(objects: LoopObjects) -> None:
    for _ in range(5):
        attempt(objects, 10).withdraw()
    for _ in range(3):
        attempt(objects, 10)
    with pytest.raises(ResourceError):
        attempt(objects, 10)


def test_a_damaged_record_is_a_first_attempt(
    objects: LoopObjects, store: MemoryObjectStore
) -> None:
    for _ in range(3):
        attempt(objects, 10)
    key = f"trainings/{TRAINING}/resume/attempts.json"
    objects.write_json(key, "{")
    attempt(objects, 10)
    assert json.loads(objects.get(key) or b"")["count"] == 1


def test_an_attempt_that_has_not_begun_is_not_recorded(objects: LoopObjects) -> None:
    for _ in range(3):
        attempt(objects, 10)
    late = Attempts(objects, TRAINING)
    late.withdraw()
    late.failed(ValueError("before it began"))
    with pytest.raises(ResourceError, match=r"step 10.*killed"):
        attempt(objects, 10)
