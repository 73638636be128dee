"""Messages and activity of evaluations: one picture, checked by a vision language model."""

from abc import ABC, abstractmethod
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.enums import AiProvider, AnatomyIssue, Framing, Gender, ViewAngle
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.untrusted import ErrorText, Prose, clean_text

NO_EVALUATOR = "NO_EVALUATOR"
"""Failure type of a run that no worker picked up in time. Nothing was evaluated."""

Confidence = Annotated[float, Field(ge=0, le=1)]


class EvaluationJob(Message):
    """A picture to evaluate and the expected values. Exactly one of path and URL is set."""

    evaluation_id: UUID
    provider: AiProvider
    image_path: str | None = None
    """Object key. The object is removed when the run ends."""
    image_url: str | None = None
    """http(s) URL, fetched by the worker, which refuses private addresses."""
    expected_framing: Framing
    expected_view_angle: ViewAngle
    expected_gender: Gender | None = None
    custom_instructions: str | None = None
    include_descriptions: bool = False
    owner: Owner


class EvaluationFindings(Message):
    """The findings of the model. The gateway compares them with the expected values."""

    detected_framing: Framing | None = None
    detected_view_angle: ViewAngle | None = None
    shot_type_confidence: Confidence | None = None
    human_detected: bool | None = None
    number_of_people: int | None = Field(default=None, ge=0)
    human_presence_confidence: Confidence | None = None
    anatomy_correct: bool | None = None
    anatomy_issues: list[AnatomyIssue] | None = None
    anatomy_confidence: Confidence | None = None
    detected_gender: Gender | None = None
    gender_confidence: Confidence | None = None
    garment_description: Prose | None = None
    subject_description: Prose | None = None
    scene_description: Prose | None = None
    collage_detected: bool | None = None


class EvaluationActivities(ABC):
    """Activities of the `provider-llm` task queue. One attempt only: model calls cost money."""

    @activity.defn(name="evaluate_image")
    @abstractmethod
    async def evaluate_image(self, job: EvaluationJob) -> EvaluationFindings:
        """Evaluate one picture. An input that cannot be evaluated is a VALIDATION error."""


class EvaluationRecord(Message):
    """The outcome of an evaluation, for the evaluator's health statistics."""

    evaluation_id: UUID
    provider: AiProvider
    success: bool
    duration_ms: float
    error: ErrorText | None = None
    owner: Owner

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data, for when the database refuses it."""
        return self.model_copy(update={"error": self.error and clean_text(note)})
