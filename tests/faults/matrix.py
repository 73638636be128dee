"""Runs cases on a rig, judges each, and prints the matrix."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.faults.audit import AuditResult, settle
from tests.faults.cases import Case
from tests.faults.clients import Clients
from tests.faults.rig import Rig, open_rig

_CASE_TIMEOUT_S = 150
_MENDED_WITHIN_S = 10


@dataclass(frozen=True)
class Row:
    """A case and how it went."""

    case: Case
    verdict: AuditResult | None = None
    """None: it did not get so far."""
    error: str = ""
    took_s: float = 0

    @property
    def is_good(self) -> bool:
        """It went to its end, and nothing is wrong."""
        return self.verdict is not None and self.verdict.is_good and not self.error


async def run_case(rig: Rig, case: Case) -> AuditResult:
    """Sabotage, and the verdict once everything runs again."""
    clients = Clients(rig.api)
    async with asyncio.timeout(_CASE_TIMEOUT_S):
        await case.sabotage(rig, clients)
        return await settle(rig, clients)


async def run_all(cases: Iterable[Case]) -> AsyncIterator[Row]:
    """One case after the other on one rig; on a new one after a case that broke it."""
    left = list(cases)
    while left:
        async with open_rig() as rig:
            while left:
                row = await _run(rig, left.pop(0))
                yield row
                if not (row.is_good or await _is_mended(rig)):
                    break


async def _run(rig: Rig, case: Case) -> Row:
    begin = time.monotonic()
    try:
        verdict = await rig.stack.guard(run_case(rig, case))
    except Exception as error:  # noqa: BLE001 — whatever it is, the others are run all the same
        return Row(case, error=f"{type(error).__name__}: {error}", took_s=time.monotonic() - begin)
    return Row(case, verdict, took_s=time.monotonic() - begin)


async def _is_mended(rig: Rig) -> bool:
    """Whether a failed case has left a rig for the next one, with nothing open on it."""
    try:
        await rig.mend()
        return (await settle(rig, Clients(rig.api), within_s=_MENDED_WITHIN_S)).is_good
    except Exception:  # noqa: BLE001 — then the next one gets a rig of its own
        return False


def matrix(rows: Iterable[Row]) -> Table:
    """Four columns that must be zero, and what they are counted over."""
    table = Table("victim", "point", "accepted", "completed", "lost", "paid twice")
    for name in ("doubled per key", "standing still", "slowest"):
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
    """Say what is wrong with a row, in full."""
    for complaint in row.verdict.complaints if row.verdict else []:
        console.print(f"  {complaint}", style="red")
    if row.error:
        console.print(f"  {row.error}", style="red", markup=False)


def _shown(found: list[str]) -> str:
    return f"[red]{len(found)}[/red]" if found else "0"
