"""Findings of a reply, as the table of the API says, also if the model contradicts itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.evaluation.findings import findings_of
from provider_worker.evaluation.look import Look
from shared.contracts.evaluation import EvaluationFindings

SEEN: dict[str, Any] = {
    "framing": "full_body",
    "view_angle": "front",
    "shot_type_confidence": 0.9,
    "number_of_people": 1,
    "human_presence_confidence": 1.0,
    "anatomy": "correct",
    "anatomy_issues": [],
    "anatomy_confidence": 0.8,
    "gender": "FEMALE",
    "gender_confidence": 0.7,
    "collage": False,
    "garment_description": "a red dress",
    "subject_description": " ",
    "scene_description": "a studio ",
}
CONFIDENCES = [name for name in SEEN if name.endswith("_confidence")]


def found(*, with_descriptions: bool = False, **fields: Any) -> EvaluationFindings:
    return findings_of(Look.model_validate(SEEN | fields), with_descriptions=with_descriptions)


def test_a_clear_picture_fills_every_field() -> None:
    assert found(with_descriptions=True).model_dump(mode="json") == {
        "detected_framing": "full_body",
        "detected_view_angle": "front",
        "shot_type_confidence": 0.9,
        "human_detected": True,
        "number_of_people": 1,
        "human_presence_confidence": 1.0,
        "anatomy_correct": True,
        "anatomy_issues": [],
        "anatomy_confidence": 0.8,
        "detected_gender": "FEMALE",
        "gender_confidence": 0.7,
        "garment_description": "a red dress",
        "subject_description": None,
        "scene_description": "a studio",
        "collage_detected": False,
    }


def test_descriptions_are_dropped_unless_asked_for() -> None:
    findings = found()
    assert findings.garment_description is None
    assert findings.subject_description is None
    assert findings.scene_description is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"framing": "unclear"}, {"detected_framing": None, "shot_type_confidence": 0.9}),
        ({"view_angle": "unclear"}, {"detected_view_angle": None, "shot_type_confidence": 0.9}),
        (
            {"framing": "unclear", "view_angle": "unclear"},
            {"detected_framing": None, "detected_view_angle": None, "shot_type_confidence": None},
        ),
        ({"gender": "unclear"}, {"detected_gender": None, "gender_confidence": None}),
        (
            {"number_of_people": 0},
            {
                "human_detected": False,
                "number_of_people": 0,
                "human_presence_confidence": 1.0,
                "detected_framing": None,
                "detected_view_angle": None,
                "shot_type_confidence": None,
                "detected_gender": None,
                "gender_confidence": None,
            },
        ),
        ({"number_of_people": -3}, {"human_detected": False, "number_of_people": 0}),
        ({"number_of_people": 4}, {"human_detected": True, "number_of_people": 4}),
        ({"collage": True}, {"collage_detected": True}),
    ],
)
def test_what_is_unclear_is_null(said: dict[str, Any], expected: dict[str, Any]) -> None:
    findings = found(**said).model_dump(mode="json")
    assert {name: findings[name] for name in expected} == expected


ANATOMIES: list[tuple[str, list[str], tuple[bool | None, list[str] | None]]] = [
    ("correct", [], (True, [])),
    ("correct", ["other"], (False, ["other"])),
    ("wrong", ["extra_fingers", "other"], (False, ["extra_fingers", "other"])),
    ("wrong", ["other", "other"], (False, ["other"])),
    ("wrong", [], (False, ["other"])),
    ("not_visible", [], (None, None)),
    ("not_visible", ["extra_limbs"], (None, None)),
]


@pytest.mark.parametrize(("anatomy", "issues", "expected"), ANATOMIES)
def test_anatomy(
    anatomy: str, issues: list[str], expected: tuple[bool | None, list[str] | None]
) -> None:
    findings = found(anatomy=anatomy, anatomy_issues=issues)
    assert (findings.anatomy_correct, findings.anatomy_issues) == expected
    assert findings.anatomy_confidence == (None if expected[0] is None else 0.8)


@given(st.sampled_from(CONFIDENCES), st.floats())
def test_confidence_is_clipped_or_null(name: str, said: float) -> None:
    told = getattr(found(with_descriptions=False, **{name: said}), name)
    assert told == (None if said != said else min(max(said, 0.0), 1.0))  # noqa: PLR0124 -- NaN


LOOKS = st.fixed_dictionaries(
    {
        "framing": st.sampled_from(["full_body", "detail", "unclear"]),
        "view_angle": st.sampled_from(["front", "side", "unclear"]),
        "number_of_people": st.integers(-2, 3),
        "anatomy": st.sampled_from(["correct", "wrong", "not_visible"]),
        "anatomy_issues": st.lists(st.sampled_from(["other", "extra_limbs"]), max_size=3),
        "gender": st.sampled_from(["FEMALE", "OTHER", "unclear"]),
    }
    | {name: st.floats(-2, 3) for name in CONFIDENCES}
)


@given(LOOKS)
def test_findings_never_contradict_themselves(said: dict[str, Any]) -> None:
    findings = found(**said)
    people = findings.number_of_people
    assert people is not None
    assert findings.human_detected == (people > 0)
    shot = (findings.detected_framing, findings.detected_view_angle)
    if not people:
        assert (*shot, findings.detected_gender) == (None, None, None)
    assert (findings.shot_type_confidence is None) == (shot == (None, None))
    assert (findings.gender_confidence is None) == (findings.detected_gender is None)
    assert (findings.anatomy_confidence is None) == (findings.anatomy_correct is None)
    assert (findings.anatomy_issues == []) == (findings.anatomy_correct is True)
