"""Valid and invalid requests for a training."""

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.training.schemas import TrainingTask, TrainingTaskCreate
from shared.contracts.enums import CaptioningStrategy, TaskPriority, TransformType


def _read(**fields: Any) -> TrainingTaskCreate:
    return TrainingTaskCreate.model_validate({"trigger_word": "sh0e", **fields})


def test_null_means_the_default() -> None:
    nullable = {
        name: None
        for name in TrainingTaskCreate.model_fields
        if name not in {"trigger_word", "training_type", "entity_type"}
    }

    assert _read(**nullable) == _read()
    assert (_read().rank, _read().steps, _read().learning_rate) == (16, 1000, 0.0001)
    assert _read().preprocessing_captioning_strategy is CaptioningStrategy.TRIGGER_ONLY


def test_default_lists_are_not_shared() -> None:
    first = _read(source_images=None)
    assert first.source_images is not None
    first.source_images.append("a.png")

    assert _read(source_images=None).source_images == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trigger_word", ""),
        ("trigger_word", "\u3164 \u200b"),
        ("trigger_word", "sh0e\nFAILED"),
        ("trigger_word", "x" * 201),
        ("trigger_word", "a [trigger]"),
        ("rank", 0),
        ("steps", 0),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("source_images", [""]),
        ("preprocessing_captioning_strategy", "poem"),
        ("entity_id", "not-a-uuid"),
    ],
)
def test_bounds(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        _read(**{field: value})


@pytest.mark.parametrize("word", ["赤い服", "x" * 200, "a `b` **c**", "\N{FAMILY}\u200d\N{BOY}"])
def test_trigger_words_have_any_letters(word: str) -> None:
    assert _read(trigger_word=word).trigger_word == word


@pytest.mark.parametrize("kind", list(TransformType))
def test_known_transforms_keep_their_parameters(kind: TransformType) -> None:
    transform = {"type": kind.value, "size": 512}

    assert _read(preprocessing_transforms=[transform]).preprocessing_transforms == [transform]


@pytest.mark.parametrize("transform", [{"type": "blur"}, {}, {"size": 512}, {"type": ["pad"]}])
def test_unknown_transform_lists_the_known(transform: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="one of resize, center_crop"):
        _read(preprocessing_transforms=[transform])


def test_custom_captions_need_a_prompt() -> None:
    with pytest.raises(ValidationError, match="needs preprocessing_captioning_prompt"):
        _read(preprocessing_captioning_strategy="custom_prompt")

    _read(
        preprocessing_captioning_strategy="custom_prompt",
        preprocessing_captioning_prompt="a photo of {trigger}",
    )


def test_answer_fills_what_the_record_lacks() -> None:
    task = TrainingTask(trigger_word="sh0e")

    assert task.priority is TaskPriority.NORMAL
    assert task.model_dump(mode="json")["priority"] == 1
    assert task.created_at.tzinfo is not None
