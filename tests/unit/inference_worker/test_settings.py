"""Settings of the editors: what changes a tile is a part of its checkpoint's name."""

import pytest
from pydantic import ValidationError

from inference_worker.settings import InferenceSettings
from shared.contracts.editors import EditorKind
from shared.settings import ModelSettings


def test_the_remote_model_and_its_size_change_a_tile() -> None:
    remote = [
        InferenceSettings(remote_model=model, remote_size=size).edit_traits(EditorKind.VERTEX)
        for model in ("gemini-3-pro-image", "gemini-3.1-flash-image")
        for size in ("1K", "2K", "")
    ]
    assert len({tuple(traits) for traits in remote}) == 6
    local = [
        InferenceSettings(remote_size=size).edit_traits(EditorKind.STRENGTH) for size in ("1K", "")
    ]
    assert local == [["strength", ""]] * 2


@pytest.mark.parametrize(
    ("model", "size"),
    [("gemini-3-pro-image", "4K"), ("gemini-2.5-flash-image", "1K"), ("gemini-4-image", "4K")],
)
def test_the_largest_size_is_the_models(model: str, size: str) -> None:
    assert InferenceSettings(remote_model=model).largest_remote_size == size


def test_a_size_that_the_model_lacks_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="SARTIQ_INFERENCE_REMOTE_SIZE"):
        InferenceSettings(remote_model="gemini-2.5-flash-image", remote_size="4K")


def test_the_gateway_reads_the_workers_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_INFERENCE_EDITOR", "vertex")
    assert ModelSettings().editor is InferenceSettings().editor is EditorKind.VERTEX
