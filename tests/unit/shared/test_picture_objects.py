"""Records have paths of pictures, workers get object keys; other inputs do not change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.enums import TaskType
from shared.contracts.picture_objects import PICTURE_OBJECTS, picture_paths, with_object_keys
from shared.contracts.pictures import FAL_OBJECTS
from shared.contracts.task_types.table import TASK_TYPES

_KEYS = {"uploads/a.png": "saved/1/a.png", "uploads/b.png": "saved/2/b.png"}
_TEXTS = st.sampled_from([*_KEYS, "uploads/c.png", "https://example.com/a.png", "a red dress"])


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(_TEXTS, values, max_size=3)


_JSON = st.recursive(_TEXTS | st.integers(), lambda inner: st.lists(inner) | _objects(inner))


@pytest.mark.parametrize("task_type", [each for each in TaskType if TASK_TYPES[each].pictures])
@pytest.mark.parametrize("is_list", [True, False])
def test_every_picture_of_every_type_is_read_by_its_key(
    task_type: TaskType,
    is_list: bool,  # noqa: FBT001
) -> None:
    given: dict[str, Any] = {"prompt": "uploads/a.png", PICTURE_OBJECTS: _KEYS}
    names = [field.name for field in TASK_TYPES[task_type].pictures]
    one: Any = ["uploads/a.png", "https://example.com/x"] if is_list else "uploads/a.png"

    read = with_object_keys(task_type, given | dict.fromkeys(names, one))

    key: Any = ["saved/1/a.png", "https://example.com/x"] if is_list else "saved/1/a.png"
    assert read == {"prompt": "uploads/a.png"} | dict.fromkeys(names, key)
    assert picture_paths(task_type, given | dict.fromkeys(names, one)) == ["uploads/a.png"]


@given(_objects(_JSON))
def test_only_object_paths_in_app_parameters_change(parameters: dict[str, Any]) -> None:
    inputs = {"fal_parameters": parameters, FAL_OBJECTS: list(_KEYS), PICTURE_OBJECTS: _KEYS}

    read = with_object_keys(TaskType.EXPERIMENTAL_FAL, inputs)

    back = {key: path for path, key in _KEYS.items()}
    assert read[FAL_OBJECTS] == list(back)
    assert inputs["fal_parameters"] == parameters
    again = with_object_keys(TaskType.EXPERIMENTAL_FAL, read | {PICTURE_OBJECTS: back})
    assert again == {"fal_parameters": parameters, FAL_OBJECTS: list(_KEYS)}


@given(st.sampled_from(TaskType), _objects(_JSON))
def test_without_saved_pictures_inputs_are_unchanged(
    task_type: TaskType, inputs: dict[str, Any]
) -> None:
    assert with_object_keys(task_type, inputs) == inputs
