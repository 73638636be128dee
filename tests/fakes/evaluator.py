"""An evaluator that a test controls."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from shared.contracts.enums import Framing, Gender, ViewAngle
from shared.contracts.evaluation import EvaluationActivities, EvaluationFindings, EvaluationJob

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


class FakeEvaluator(EvaluationActivities):
    """An evaluator that records every job; `act` returns the findings or raises."""

    def __init__(self, act: Act = see) -> None:
        self.act = act
        self.jobs: list[EvaluationJob] = []

    @activity.defn(name="evaluate_image")
    async def evaluate_image(self, job: EvaluationJob) -> EvaluationFindings:
        self.jobs.append(job)
        return await self.act(job)
