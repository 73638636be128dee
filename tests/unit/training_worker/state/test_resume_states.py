"""Resume states in the store: the newest that is whole is found, whatever was cut short."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import InvalidInputError, StorageError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.lora_training import TRAINING, encoded, make_trainer, open_base, write_dataset
from tests.fixtures.tiny_flux import save_tiny_flux
from training_worker.dataset.items import CachedDataset
from training_worker.state.objects import LoopObjects
from training_worker.state.resume_states import ResumeStates
from training_worker.state.snapshot import Snapshot, capture, environment, restore
from training_worker.state.state_file import StateFile, file_digest, read_state, write_state

pytestmark = pytest.mark.models

PREFIX = f"trainings/{TRAINING}/resume/"


def snapshot(step: int) -> Snapshot:
    return Snapshot({"model.a": torch.full([64], float(step))}, {"step": step})


def publish(objects: LoopObjects, folder: Path, *steps: int) -> ResumeStates:
    states = ResumeStates(objects, TRAINING, folder)
    for step in steps:
        states.publish(write_state(snapshot(step), folder))
    return states


def newest(objects: LoopObjects, folder: Path) -> int | None:
    found = ResumeStates(objects, TRAINING, folder).newest()
    return found.step if found else None


def damage(store: MemoryObjectStore, name: str, content: bytes) -> None:
    _, info = store.objects[PREFIX + name]
    store.objects[PREFIX + name] = (content, info)


def test_a_state_is_read_back(objects: LoopObjects, tmp_path: Path) -> None:
    assert newest(objects, tmp_path / "a") is None
    publish(objects, tmp_path / "a", 10)
    found = ResumeStates(objects, TRAINING, tmp_path / "b").newest()
    assert found is not None
    assert found.facts == {"step": 10}
    assert torch.equal(found.tensors["model.a"], torch.full([64], 10.0))


def test_the_last_two_are_kept_here_and_in_the_store(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path, 9, 10, 100)
    expected = ["10.safetensors", "100.safetensors"]
    keys = [key.removeprefix(PREFIX) for key in store.objects]
    assert sorted(keys) == [*expected, "latest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_the_pointer_names_step_key_digest_and_size(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path, 1, 2)
    pointer = json.loads(store.objects[f"{PREFIX}latest.json"][0])
    assert pointer["step"] == 2
    assert pointer["key"] == f"{PREFIX}2.safetensors"
    assert pointer["size"] == len(store.objects[pointer["key"]][0])
    assert pointer["previous"]["step"] == 1


@pytest.mark.parametrize("kind", ["truncated", "flipped", "missing"])
def test_after_a_damaged_state_the_one_before_is_used(
    kind: str, objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path / "a", 1, 2)
    content, _ = store.objects[f"{PREFIX}2.safetensors"]
    match kind:
        case "truncated":
            damage(store, "2.safetensors", content[:-1])
        case "flipped":
            damage(store, "2.safetensors", content[:-1] + bytes([content[-1] ^ 1]))
        case _:
            del store.objects[f"{PREFIX}2.safetensors"]
    assert newest(objects, tmp_path / "b") == 1
    assert not list((tmp_path / "b").glob("*.partial"))


def test_after_two_damaged_states_the_training_begins_anew(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path / "a", 1, 2)
    for step in (1, 2):
        damage(store, f"{step}.safetensors", b"")
    assert newest(objects, tmp_path / "b") is None


def test_a_damaged_pointer_is_no_state(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path, 1)
    damage(store, "latest.json", b'{"step": 1')
    assert newest(objects, tmp_path) is None


def test_an_upload_that_was_not_committed_does_not_count(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path / "a", 1, 2)
    pointer = store.objects[f"{PREFIX}latest.json"]
    publish(objects, tmp_path / "a", 3)
    store.objects[f"{PREFIX}latest.json"] = pointer
    assert newest(objects, tmp_path / "b") == 2


def test_a_state_of_the_same_step_replaces_itself(objects: LoopObjects, tmp_path: Path) -> None:
    states = publish(objects, tmp_path, 1, 2, 2)
    pointer = json.loads(objects.get(f"{states.prefix}latest.json") or b"")
    assert (pointer["step"], pointer["previous"]["step"]) == (2, 1)


def test_a_damaged_state_is_not_kept_as_the_one_before(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path / "a", 10, 20)
    damage(store, "20.safetensors", b"")
    assert newest(objects, tmp_path / "b") == 10
    publish(objects, tmp_path / "b", 15)
    damage(store, "15.safetensors", b"")
    assert newest(objects, tmp_path / "c") == 10


def test_a_state_that_cannot_be_read_is_passed_over(objects: LoopObjects, tmp_path: Path) -> None:
    states = publish(objects, tmp_path, 1)
    path = tmp_path / "2.safetensors"
    path.write_bytes(b"x" * 100)
    states.publish(StateFile(2, path, file_digest(path), 100))
    assert newest(objects, tmp_path / "other") == 1


def test_a_state_on_this_machine_is_not_downloaded_again(
    objects: LoopObjects, store: MemoryObjectStore, tmp_path: Path
) -> None:
    publish(objects, tmp_path, 5)
    damage(store, "5.safetensors", b"")
    assert newest(objects, tmp_path) == 5
    (tmp_path / "5.safetensors").write_bytes(b"other")
    assert newest(objects, tmp_path) is None


def test_partial_files_are_removed_at_the_start(objects: LoopObjects, tmp_path: Path) -> None:
    (tmp_path / "7.safetensors.partial").write_bytes(b"cut short")
    assert newest(objects, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / "1.safetensors"
    path.write_bytes(b"x" * 100)
    with pytest.raises(StorageError, match=r"1\.safetensors"):
        read_state(path)


def test_a_write_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def record(_: int) -> None:
        seen.append(sorted(path.name for path in tmp_path.iterdir()))

    monkeypatch.setattr("os.fsync", record)
    write_state(snapshot(3), tmp_path)
    assert seen == [["3.safetensors.partial"], ["3.safetensors"]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("config", "the hyperparameters changed"),
        ("dataset", "the dataset changed"),
        ("base", "the base model changed"),
    ],
)
def test_states_of_other_sources_are_refused(
    changed: str, words: str, dataset: CachedDataset
) -> None:
    trainer = make_trainer(dataset, steps=2)
    found = capture(trainer)
    digests = found.facts["digests"] | {changed: "another"}
    with pytest.raises(InvalidInputError, match=words) as raised:
        restore(trainer, Snapshot(found.tensors, {**found.facts, "digests": digests}))
    assert raised.value.is_final


def test_the_digests_are_those_of_the_sources(dataset: CachedDataset, tmp_path: Path) -> None:
    def digests(trainer: Any) -> dict[str, str]:
        return dict(capture(trainer).facts["digests"])

    own = digests(make_trainer(dataset))
    assert digests(make_trainer(dataset, learning_rate=1.0))["config"] != own["config"]
    assert digests(make_trainer(dataset, save_every=3)) == own
    source = str(save_tiny_flux(tmp_path / "tiny"))
    base = open_base(source)
    other = encoded(tmp_path, write_dataset(tmp_path, [(32, 32)]), base)
    theirs = digests(make_trainer(other, open_base(source)))
    assert theirs["base"] != own["base"]
    assert theirs["dataset"] != own["dataset"]


def test_a_resume_elsewhere_is_reported(dataset: CachedDataset) -> None:
    trainer = make_trainer(dataset, steps=2)
    found = capture(trainer)
    here = environment(trainer.model.device)
    assert found.facts["environment"] == here
    assert restore(trainer, found) == "resumed from the state of step 0, bit for bit"
    elsewhere = {**found.facts, "environment": here | {"cpu": "another"}}
    line = restore(trainer, Snapshot(found.tensors, elsewhere))
    assert "same schedule, not bit-identical: cpu another, here " in line
