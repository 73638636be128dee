"""Conversion of an evaluation's findings to the response. Pure."""

from statistics import fmean

from api_gateway.evaluation.schemas import EvaluationRequest, EvaluationResponse
from shared.contracts.evaluation import EvaluationFindings


def present_findings(
    request: EvaluationRequest, findings: EvaluationFindings, *, elapsed_ms: float
) -> EvaluationResponse:
    """Return the response to a request whose image was evaluated."""
    return EvaluationResponse(
        success=True,
        matches_expected=_matches(request, findings),
        evaluation_time_ms=elapsed_ms,
        confidence_summary=_mean_confidence(findings),
        **dict(findings),
    )


def _matches(request: EvaluationRequest, findings: EvaluationFindings) -> bool | None:
    """Return whether framing and view are as expected; none if either was not detected."""
    framing, view = findings.detected_framing, findings.detected_view_angle
    if framing is None or view is None:
        return None
    return (framing, view) == (request.expected_framing, request.expected_view_angle)


def _mean_confidence(findings: EvaluationFindings) -> float | None:
    stated = [
        confidence
        for confidence in (
            findings.shot_type_confidence,
            findings.human_presence_confidence,
            findings.anatomy_confidence,
            findings.gender_confidence,
        )
        if confidence is not None
    ]
    return fmean(stated) if stated else None
