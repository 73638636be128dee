"""The reply of an evaluation's model: flat, every field required, without unions. Pure.

Each vendor enforces such a schema; Anthropic, for instance, takes 16 unions at most and no bounds
of numbers. So "unclear" is a value, and the bounds are kept by the conversion to findings.
"""

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from provider_worker.llm.chat import OutputSchema

_SHARE = Field(description="0 to 1")
_TEXT = Field(description="empty unless asked for")


class Look(BaseModel):
    """The contents of one fashion photograph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    framing: Literal[
        "full_body",
        "upper_body",
        "lower_body",
        "upper_three_quarters",
        "lower_three_quarters",
        "detail",
        "unclear",
    ]
    view_angle: Literal["front", "back", "side", "unclear"]
    shot_type_confidence: float = _SHARE
    number_of_people: int = Field(description="0 where there is nobody")
    human_presence_confidence: float = _SHARE
    anatomy: Literal["correct", "wrong", "not_visible"]
    anatomy_issues: list[
        Literal[
            "extra_limbs",
            "missing_limbs",
            "extra_fingers",
            "missing_fingers",
            "deformed_hands",
            "deformed_face",
            "deformed_feet",
            "disproportionate_body",
            "unnatural_pose",
            "merged_bodies",
            "other",
        ]
    ]
    anatomy_confidence: float = _SHARE
    gender: Literal["FEMALE", "MALE", "OTHER", "unclear"]
    gender_confidence: float = _SHARE
    collage: bool
    garment_description: str = _TEXT
    subject_description: str = _TEXT
    scene_description: str = _TEXT


def look_schema() -> OutputSchema:
    """Return the schema of a reply, without titles."""
    schema = cast("dict[str, Any]", _without_titles(Look.model_json_schema()))
    about = schema.pop("description")
    return OutputSchema(schema, name=Look.__name__, description=about)


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        return {name: _without_titles(part) for name, part in parts.items() if name != "title"}
    if isinstance(schema, list):
        return [_without_titles(part) for part in cast("list[Any]", schema)]
    return schema
