"""The runner of cases on a rig, and the matrix of their results."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from tests.faults.audit import AuditResult, settle
from tests.faults.cases import Case
from tests.faults.clients import Clients
from tests.faults.rig import Rig, open_rig

_CASE_TIMEOUT_S = 300
_REPAIRED_WITHIN_S = 10


@dataclass(frozen=True)
class Row:
    """A case and its result."""

    case: Case
    verdict: AuditResult | None = None
    """None: the case did not reach the audit."""
    error: str = ""
    took_s: float = 0

    @property
    def is_good(self) -> bool:
        """True where the case completed and the audit found nothing."""
        return self.verdict is not None and self.verdict.is_good and not self.error


async def run_case(rig: Rig, case: Case) -> AuditResult:
    """Cause the fault, and audit once everything runs again."""
    clients = Clients(rig.api)
    async with asyncio.timeout(_CASE_TIMEOUT_S):
        await case.sabotage(rig, clients)
        verdict = await settle(rig, clients, within_s=case.within_s)
        return replace(verdict, note=await case.check(rig, clients))


async def run_all(cases: Iterable[Case]) -> AsyncIterator[Row]:
    """Run the cases one by one on one rig, or on a new one after a case that broke it."""
    left = list(cases)
    while left:
        async with open_rig() as rig:
            while left:
                row = await _run(rig, left.pop(0))
                yield row
                if not (row.is_good or await _is_repaired(rig)):
                    break


async def _run(rig: Rig, case: Case) -> Row:
    begin = time.monotonic()
    try:
        verdict = await rig.stack.guard(run_case(rig, case))
    except Exception as error:  # noqa: BLE001 — the other cases run whatever happened
        return Row(case, error=f"{type(error).__name__}: {error}", took_s=time.monotonic() - begin)
    return Row(case, verdict, took_s=time.monotonic() - begin)


async def _is_repaired(rig: Rig) -> bool:
    """Return True where a failed case has left a usable rig without open work."""
    try:
        await rig.repair()
        return (await settle(rig, Clients(rig.api), within_s=_REPAIRED_WITHIN_S)).is_good
    except Exception:  # noqa: BLE001 — the next case gets a new rig
        return False


def matrix(rows: Iterable[Row]) -> Table:
    """Return the table of results, with four columns that must be zero."""
    table = Table("victim", "point", "accepted", "completed", "lost", "paid twice")
    for name in ("duplicated per key", "stuck", "slowest"):
        table.add_column(name, justify="right")
    for row in rows:
        verdict = row.verdict
        if verdict is None:
            table.add_row(row.case.victim, row.case.point, "FAILED")
            continue
        table.add_row(
            row.case.victim,
            row.case.point,
            str(verdict.num_accepted),
            str(verdict.num_completed),
            *map(_shown, verdict.zeros),
            f"{max(verdict.slowest_s, 0):.1f} s",
        )
    return table


def complain(console: Console, row: Row) -> None:
    """Print all findings of a row, and what its own check counted."""
    if row.verdict and row.verdict.note:
        console.print(f"          {row.verdict.note}", highlight=False)
    for complaint in row.verdict.complaints if row.verdict else []:
        console.print(f"  {complaint}", style="red")
    if row.error:
        console.print(f"  {row.error}", style="red", markup=False)


def _shown(found: list[str]) -> str:
    return f"[red]{len(found)}[/red]" if found else "0"
