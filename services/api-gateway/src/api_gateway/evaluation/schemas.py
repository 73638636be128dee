"""Request and response schemas of evaluations."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api_gateway.request_fields import refuse_unstorable
from shared.contracts.enums import AnatomyIssue, Framing, Gender, ViewAngle
from shared.contracts.evaluation import CUSTOM_INSTRUCTIONS_MAX_CHARS
from shared.contracts.fields import Fraction, OptionalPrompt
from shared.contracts.request_model import RequestModel, inconsistent

_Image = Annotated[str, StringConstraints(min_length=1)]


class EvaluationRequest(RequestModel):
    """Schema for evaluation API requests."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "image_url": "https://images.example.com/look.jpg",
                "expected_framing": "full_body",
                "expected_view_angle": "front",
            }
        }
    )

    image_data: _Image | None = Field(
        default=None,
        description="Base64-encoded image data (data:image/jpeg;base64,... format)",
    )
    image_url: _Image | None = Field(default=None, description="URL to image file")
    expected_framing: Framing = Field(description="Expected framing type for the image")
    expected_view_angle: ViewAngle = Field(description="Expected view angle for the image")
    expected_gender: Gender | None = Field(
        default=Gender.FEMALE, description="Expected gender for the image"
    )
    custom_instructions: OptionalPrompt | None = Field(
        default=None,
        description="Custom instructions for the evaluation",
        max_length=CUSTOM_INSTRUCTIONS_MAX_CHARS,
    )
    include_descriptions: bool = Field(
        default=False, description="Include garment and subject descriptions"
    )

    _storable = model_validator(mode="before")(refuse_unstorable)

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if (self.image_data is None) == (self.image_url is None):
            raise inconsistent(
                "give the image as image_data or as image_url, exactly one of them",
                "image_data",
                "image_url",
            )
        return self


class EvaluationResponse(BaseModel):
    """Schema for evaluation API responses."""

    success: bool = Field(description="Whether the evaluation was successful")
    detected_framing: Framing | None = Field(default=None, description="Detected framing type")
    detected_view_angle: ViewAngle | None = Field(default=None, description="Detected view angle")
    shot_type_confidence: Fraction | None = Field(
        default=None, description="Confidence score for shot type detection"
    )
    matches_expected: bool | None = Field(
        default=None, description="Whether detected shot type matches expected"
    )
    human_detected: bool | None = Field(
        default=None, description="Whether humans were detected in the image"
    )
    number_of_people: int | None = Field(default=None, description="Number of people detected")
    human_presence_confidence: Fraction | None = Field(
        default=None, description="Confidence score for human detection"
    )
    anatomy_correct: bool | None = Field(
        default=None, description="Whether anatomy appears correct"
    )
    anatomy_issues: list[AnatomyIssue] | None = Field(
        default=None, description="List of detected anatomy issues"
    )
    anatomy_confidence: Fraction | None = Field(
        default=None, description="Confidence score for anatomy analysis"
    )
    detected_gender: Gender | None = Field(default=None, description="Detected gender")
    gender_confidence: Fraction | None = Field(
        default=None, description="Confidence score for gender detection"
    )
    garment_description: str | None = Field(
        default=None, description="Description of garments in the image"
    )
    subject_description: str | None = Field(default=None, description="Description of the subject")
    scene_description: str | None = Field(default=None, description="Description of the scene")
    collage_detected: bool | None = Field(
        default=None, description="Whether a collage or stitched image was detected"
    )
    error: str | None = Field(default=None, description="Error message if evaluation failed")
    evaluation_time_ms: float | None = Field(
        default=None, description="Time taken for evaluation in milliseconds"
    )
    confidence_summary: Fraction | None = Field(
        default=None, description="Average confidence across all evaluations"
    )


class HealthStatus(BaseModel):
    """Schema for evaluator health status."""

    is_healthy: bool = Field(description="Whether the evaluator is healthy")
    health_score: Fraction = Field(description="Health score (0.0-1.0)")
    total_evaluations: int = Field(description="Total number of evaluations performed")
    success_rate: Fraction = Field(description="Success rate (0.0-1.0)")
    average_response_time: float = Field(description="Average response time in seconds")
    circuit_breaker_state: str = Field(description="Circuit breaker state")
