"""An evaluator that a test controls."""

from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import AiProvider, ErrorCategory, Framing, Gender, ViewAngle
from shared.contracts.evaluation import (
    Evaluation,
    EvaluationActivities,
    EvaluationFindings,
    EvaluationJob,
    EvaluationTry,
    FailedTries,
)
from shared.errors import PlatformError

FINDINGS = EvaluationFindings(
    detected_framing=Framing.FULL_BODY,
    detected_view_angle=ViewAngle.FRONT,
    shot_type_confidence=0.75,
    human_detected=True,
    number_of_people=1,
    human_presence_confidence=1.0,
    anatomy_correct=True,
    anatomy_issues=[],
    anatomy_confidence=0.5,
    detected_gender=Gender.FEMALE,
    gender_confidence=0.75,
    collage_detected=False,
)

Act = Callable[[EvaluationJob], Awaitable[EvaluationFindings]]


async def see(job: EvaluationJob) -> EvaluationFindings:
    """Return the same findings for every picture."""
    return FINDINGS


def vendor_of(job: EvaluationJob) -> AiProvider:
    """Return the vendor that the fake asks: with `auto`, the first one that is not skipped."""
    return job.provider.vendor or next(each for each in AiProvider if each not in job.skip)


class FakeEvaluator(EvaluationActivities):
    """An evaluator that records every job; `act` returns the findings or raises.

    A PlatformError is that of the vendor; with VALIDATION, that of the picture.
    """

    def __init__(self, act: Act = see) -> None:
        self.act = act
        self.jobs: list[EvaluationJob] = []

    @activity.defn(name="evaluate_image")
    async def evaluate_image(self, job: EvaluationJob) -> Evaluation:
        self.jobs.append(job)
        vendor = vendor_of(job)
        try:
            findings = await self.act(job)
        except PlatformError as error:
            if error.category is ErrorCategory.VALIDATION:
                raise
            failed = EvaluationTry(provider=vendor, category=error.category, error=str(error))
            details = FailedTries(tries=[failed]).to_details()
            raise ApplicationError(
                str(error), *details, type=error.category, non_retryable=True
            ) from error
        return Evaluation(**dict(findings), tries=[EvaluationTry(provider=vendor)])
