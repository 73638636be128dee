"""Outcomes of evaluations, and statistics of the evaluator's health."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationRecord
from shared.db.models.evaluations import Evaluation
from shared.db.repositories.breakers import count_verdicts

_NEWEST = 100
"""Number of latest evaluations that the health score is derived from."""


@dataclass(frozen=True)
class RecentEvaluation:
    """The vendor and outcome of one evaluation."""

    provider: str
    is_success: bool


@dataclass(frozen=True)
class EvaluationFigures:
    """Statistics of an evaluator.

    Attributes:
        total: number of evaluations.
        succeeded: number of successful evaluations.
        average_s: mean seconds from start to response; 0 without evaluations.
        newest: the latest evaluations.
    """

    total: int
    succeeded: int
    average_s: float
    newest: list[RecentEvaluation]


async def write_evaluation(session: AsyncSession, record: EvaluationRecord) -> None:
    """Write the outcome of an evaluation, and count it for the circuit breakers. Idempotent."""
    values = record.model_dump(exclude={"evaluation_id", "owner", "verdicts"})
    row = insert(Evaluation).values(id=record.evaluation_id, **values, **record.owner.model_dump())
    written = row.on_conflict_do_nothing().returning(Evaluation.id)
    if await session.scalar(written) is not None:
        await count_verdicts(session, record.verdicts)


async def evaluation_figures(
    session: AsyncSession, provider: AiProvider | None = None
) -> EvaluationFigures:
    """Return the statistics of one provider, or of all providers together."""
    rows = select(Evaluation.provider, Evaluation.success)
    counts = select(
        func.count(),
        func.count().filter(Evaluation.success),
        func.coalesce(func.avg(Evaluation.duration_ms), 0),
    ).select_from(Evaluation)
    if provider is not None:
        rows = rows.where(Evaluation.provider == provider)
        counts = counts.where(Evaluation.provider == provider)
    total, succeeded, average_ms = (await session.execute(counts)).one()
    newest = await session.execute(rows.order_by(Evaluation.created_at.desc()).limit(_NEWEST))
    recent = [RecentEvaluation(provider, success) for provider, success in newest]
    return EvaluationFigures(total, succeeded, float(average_ms) / 1000, recent)
