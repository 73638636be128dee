"""Outcomes of evaluations, and statistics of the evaluator's health."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationRecord
from shared.db.models.evaluations import Evaluation

_NEWEST = 100
"""Number of latest evaluations from which the circuit breaker's state is derived."""


@dataclass(frozen=True)
class EvaluationAttempt:
    """The time and outcome of one evaluation."""

    at: datetime
    is_success: bool


@dataclass(frozen=True)
class EvaluationFigures:
    """Statistics of an evaluator.

    Attributes:
        total: number of evaluations.
        succeeded: number of successful evaluations.
        average_s: mean seconds from start to response; 0 without evaluations.
        newest: the latest evaluations, oldest first.
    """

    total: int
    succeeded: int
    average_s: float
    newest: list[EvaluationAttempt]


async def write_evaluation(session: AsyncSession, record: EvaluationRecord) -> None:
    """Write the outcome of an evaluation. Idempotent."""
    values = record.model_dump(exclude={"evaluation_id", "owner"}) | record.owner.model_dump()
    await session.execute(
        insert(Evaluation).values(id=record.evaluation_id, **values).on_conflict_do_nothing()
    )


async def evaluation_figures(
    session: AsyncSession, provider: AiProvider | None = None
) -> EvaluationFigures:
    """Return the statistics of one provider, or of all providers together."""
    rows = select(Evaluation)
    counts = select(
        func.count(),
        func.count().filter(Evaluation.success),
        func.coalesce(func.avg(Evaluation.duration_ms), 0),
    ).select_from(Evaluation)
    if provider is not None:
        rows = rows.where(Evaluation.provider == provider)
        counts = counts.where(Evaluation.provider == provider)
    total, succeeded, average_ms = (await session.execute(counts)).one()
    newest = await session.scalars(rows.order_by(Evaluation.created_at.desc()).limit(_NEWEST))
    attempts = [EvaluationAttempt(row.created_at, row.success) for row in newest]
    return EvaluationFigures(total, succeeded, float(average_ms) / 1000, attempts[::-1])
