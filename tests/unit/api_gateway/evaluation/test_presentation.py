"""Conversion of findings to a response."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.evaluation.presentation import present_findings
from api_gateway.evaluation.schemas import EvaluationRequest, EvaluationResponse
from shared.contracts.enums import Framing, ViewAngle
from shared.contracts.evaluation import EvaluationFindings

REQUEST = EvaluationRequest(
    image_data="aGk=", expected_framing=Framing.DETAIL, expected_view_angle=ViewAngle.BACK
)


def present(**found: object) -> EvaluationResponse:
    findings = EvaluationFindings.model_validate(found)
    return present_findings(REQUEST, findings, elapsed_ms=1.5)


@pytest.mark.parametrize(
    ("framing", "view", "matches"),
    [
        ("detail", "back", True),
        ("detail", "front", False),
        ("full_body", "back", False),
        (None, "back", None),
        ("detail", None, None),
    ],
)
def test_shot_type_matches_in_framing_and_view(
    framing: str | None, view: str | None, matches: object
) -> None:
    answer = present(detected_framing=framing, detected_view_angle=view)
    assert answer.matches_expected is matches


def test_findings_are_answered_as_they_are() -> None:
    answer = present(number_of_people=2, anatomy_issues=["extra_limbs"], scene_description="a room")
    assert (answer.success, answer.evaluation_time_ms) == (True, 1.5)
    assert (answer.number_of_people, answer.scene_description) == (2, "a room")
    assert answer.anatomy_issues == ["extra_limbs"]
    assert answer.confidence_summary is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_confidence_is_the_mean_of_those_stated(stated: list[float]) -> None:
    names = ("shot_type", "human_presence", "anatomy", "gender")
    found = {f"{name}_confidence": value for name, value in zip(names, stated, strict=False)}
    summary = present(**found).confidence_summary
    assert summary == pytest.approx(sum(stated) / len(stated))
