"""How evaluations went: one row each, and the figures of the evaluator's health."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import AiProvider
from shared.contracts.evaluation import EvaluationRecord
from shared.db.models.evaluations import Evaluation

_NEWEST = 100
"""How many evaluations back the state of the circuit breaker is read from."""


@dataclass(frozen=True)
class EvaluationAttempt:
    """How one evaluation went, and when."""

    at: datetime
    is_success: bool


@dataclass(frozen=True)
class EvaluationFigures:
    """What the records say of an evaluator.

    Attributes:
        total: evaluations in all.
        succeeded: how many of them did not fail.
        average_s: mean seconds from start to answer; 0 where there are none.
        newest: the newest of them, oldest first.
    """

    total: int
    succeeded: int
    average_s: float
    newest: list[EvaluationAttempt]


async def write_evaluation(session: AsyncSession, record: EvaluationRecord) -> None:
    """Write how an evaluation went; once, however often it is asked for."""
    values = record.model_dump(exclude={"evaluation_id", "owner"}) | record.owner.model_dump()
    await session.execute(
        insert(Evaluation).values(id=record.evaluation_id, **values).on_conflict_do_nothing()
    )


async def evaluation_figures(
    session: AsyncSession, provider: AiProvider | None = None
) -> EvaluationFigures:
    """The figures of one provider, or of all together."""
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
