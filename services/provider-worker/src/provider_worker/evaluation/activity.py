"""The activity of evaluations."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from provider_worker.evaluation.evaluator import EvaluationFailedError, Evaluator
from provider_worker.shown_pictures import ShownPictures
from shared.contracts.error_text import without_reprs
from shared.contracts.evaluation import (
    Evaluation,
    EvaluationActivities,
    EvaluationJob,
    FailedTries,
)
from shared.contracts.untrusted import clean_text, storable_cause


class PictureEvaluation(EvaluationActivities):
    """Evaluates pictures from the object store, or behind the URL that a client named.

    Args:
        evaluator: asks the vendors.
        pictures: reads the pictures.
    """

    def __init__(self, evaluator: Evaluator, pictures: ShownPictures) -> None:
        self._evaluator = evaluator
        self._pictures = pictures

    @activity.defn(name="evaluate_image")
    async def evaluate_image(self, job: EvaluationJob) -> Evaluation:
        """Evaluate one picture."""
        self._evaluator.vendors_for(job)  # without one, the picture is not read
        if job.image_url is not None:
            picture = await self._pictures.fetched("image_url", job.image_url)
        else:
            picture = await self._pictures.stored("image_data", job.image_path or "")
        try:
            return await self._evaluator.evaluate(job, picture)
        except EvaluationFailedError as error:
            report = FailedTries(service_requests=list(error.service_requests), tries=error.tries)
            raise ApplicationError(
                clean_text(without_reprs(str(error))),
                *report.to_details(),
                type=error.failure_type or error.category,
                non_retryable=True,
            ) from storable_cause(error)
