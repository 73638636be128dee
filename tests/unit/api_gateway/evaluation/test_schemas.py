"""Valid and invalid requests for an evaluation."""

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.evaluation.schemas import EvaluationRequest
from shared.contracts.enums import Gender

SHOT = {"expected_framing": "full_body", "expected_view_angle": "front"}


@pytest.mark.parametrize(
    "images", [{}, {"image_url": "https://a.example/a.jpg", "image_data": "aGk="}]
)
def test_exactly_one_image_is_needed(images: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="image_data or as image_url, exactly one"):
        EvaluationRequest.model_validate({**SHOT, **images})


def test_gender_is_female_unless_said_otherwise() -> None:
    request = EvaluationRequest.model_validate({**SHOT, "image_data": "aGk="})
    indifferent = EvaluationRequest.model_validate(
        {**SHOT, "image_data": "aGk=", "expected_gender": None}
    )

    assert request.expected_gender is Gender.FEMALE
    assert indifferent.expected_gender is None
