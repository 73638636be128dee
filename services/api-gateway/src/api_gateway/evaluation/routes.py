"""Routes of the evaluation of images by a vision language model."""

from typing import Annotated

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.evaluation import service
from api_gateway.evaluation.schemas import EvaluationRequest, EvaluationResponse, HealthStatus
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.resources import Res
from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationProvider

router = APIRouter(prefix="/api/v1/evaluation", tags=["evaluation"], dependencies=[FIELD_CHECK])


@router.post("/", summary="Evaluate Image", operation_id="evaluate_image")
async def evaluate_image(
    request: EvaluationRequest,
    res: Res,
    caller: Caller,
    repeatable: Repeatable,
    provider: Annotated[
        EvaluationProvider | None,
        Query(
            description="Provider of the model; `auto`: the first one that is available; default: "
            "the one in the gateway's settings, `auto` unless they name one"
        ),
    ] = None,
) -> EvaluationResponse:
    """Evaluate an image for comprehensive shot analysis.

    Shot type, human presence, anatomy, gender and, if asked for, descriptions. The model is not
    told what is expected. An error of the evaluator is returned as `success: false`; so is a
    provider whose circuit breaker is open, which is not asked. With `auto`, another provider is
    asked if it is certain that the first one charged nothing. Without a running evaluator, or one
    with access to the provider, the status is 503.
    """
    return await service.evaluate_image(res, caller, request, provider, repeatable)


@router.get("/health", summary="Get Evaluator Health", operation_id="get_evaluator_health")
async def get_evaluator_health(
    res: Res,
    _caller: Caller,
    provider: Annotated[
        AiProvider | None, Query(description="Provider whose evaluations count; default: all")
    ] = None,
) -> HealthStatus:
    """Get evaluator health status and metrics."""
    return await service.evaluator_health(res, provider)
