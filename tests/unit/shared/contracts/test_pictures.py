from shared.contracts.enums import TaskType
from shared.contracts.pictures import remote_pictures, replace_pictures


def test_other_values_in_a_list_of_pictures_are_unchanged() -> None:
    """A step can map any value into a picture; it is refused when it is read as a picture."""
    inputs = {"reference_images": ["https://a.example/1.png", ["x"], {"y": 1}, None, 7]}
    found = remote_pictures(TaskType.EDITING, inputs)
    assert found == {"https://a.example/1.png": "reference_images.0"}
    changed = replace_pictures(TaskType.EDITING, inputs, {"https://a.example/1.png": "key"})
    assert changed == {"reference_images": ["key", ["x"], {"y": 1}, None, 7]}
