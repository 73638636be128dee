"""Messages and activity of evaluations: one picture, checked by a vision language model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.enums import (
    AiProvider,
    AnatomyIssue,
    ErrorCategory,
    Framing,
    Gender,
    ViewAngle,
)
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.runs import ProviderVerdict
from shared.contracts.service_requests import CallReport
from shared.contracts.untrusted import ErrorText, Prose, clean_text

NO_EVALUATOR = "NO_EVALUATOR"
"""Failure type of a run without an evaluator: no worker picked it up in time, or it has no access
to the vendor. Nothing was evaluated."""
CUSTOM_INSTRUCTIONS_MAX_CHARS = 4000

Confidence = Annotated[float, Field(ge=0, le=1)]


class EvaluationProvider(StrEnum):
    """Vendors that a request for an evaluation may name."""

    AUTO = "auto"
    """The first one in the worker's order that has a key and whose circuit breaker is not open."""
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"

    @property
    def vendor(self) -> AiProvider | None:
        """The vendor; none for `auto`."""
        return None if self is EvaluationProvider.AUTO else AiProvider(self)


class EvaluationJob(Message):
    """A picture to evaluate and the expected values. Exactly one of path and URL is set."""

    evaluation_id: UUID
    provider: EvaluationProvider
    skip: list[AiProvider] = []
    """Vendors that `auto` passes over, because their circuit breaker is open."""
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


class EvaluationTry(Message):
    """One request to a vendor for the evaluation of a picture."""

    provider: AiProvider
    category: ErrorCategory | None = None
    """Of its failure; none: it succeeded."""
    error: ErrorText | None = None

    @property
    def verdict(self) -> ProviderVerdict:
        """The outcome for the vendor's circuit breaker."""
        if self.category is None:
            return ProviderVerdict(provider_type=self.provider, is_success=True)
        counts = CONSEQUENCES[self.category].counts_against_provider
        return ProviderVerdict(provider_type=self.provider, is_success=False if counts else None)


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


class Evaluation(EvaluationFindings):
    """The findings, and the requests that led to them."""

    tries: list[EvaluationTry] = []
    """Oldest first; the last one succeeded."""

    @property
    def findings(self) -> EvaluationFindings:
        """The findings alone."""
        return EvaluationFindings.model_validate(self.model_dump(exclude={"tries"}))


class FailedTries(CallReport):
    """The requests of an evaluation that failed; the detail of its Temporal failure."""

    tries: list[EvaluationTry] = []

    def to_details(self) -> list[dict[str, Any]]:
        """Return the details of a Temporal failure."""
        return [self.model_dump(mode="json")]

    @classmethod
    def from_details(cls, details: Sequence[Any]) -> "FailedTries":
        """Read the details of a Temporal failure; without tries if they are something else."""
        is_report = len(details) == 1 and "tries" in details[0]
        return cls.model_validate(details[0]) if is_report else cls()


class EvaluationActivities(ABC):
    """Activities of the `provider-llm` task queue. One attempt only: model calls cost money."""

    @activity.defn(name="evaluate_image")
    @abstractmethod
    async def evaluate_image(self, job: EvaluationJob) -> Evaluation:
        """Evaluate one picture. A picture that cannot be evaluated is a VALIDATION error."""


class EvaluationRecord(Message):
    """The outcome of an evaluation, for the evaluator's health statistics."""

    evaluation_id: UUID
    provider: EvaluationProvider
    """The vendor that was asked last; `auto` if it is not known, since its worker was lost."""
    success: bool
    duration_ms: float
    error: ErrorText | None = None
    owner: Owner
    verdicts: list[ProviderVerdict] = []
    """Outcomes for the circuit breakers of the vendors that were asked."""

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data, for when the database refuses it."""
        return self.model_copy(update={"error": self.error and clean_text(note)})
