"""The full fault matrix, 20 trainings and 100 random kills: `make test-faults`, 50 minutes.

`--only TEXT` runs the cases whose name contains the text, and no random kills or trainings unless
their number is given; `--seed N` repeats random kills.
"""

import argparse
import asyncio
import secrets
import sys

from rich.console import Console

from tests.faults.at_once_cases import AT_ONCE
from tests.faults.cases import KILLS
from tests.faults.hostile_cases import HOSTILE
from tests.faults.lost_responses import LOST_RESPONSES
from tests.faults.matrix import Row, complain, matrix, run_all
from tests.faults.network import NETWORK
from tests.faults.picture_cases import PICTURES
from tests.faults.provider_cases import PROVIDER
from tests.faults.random_kills import kill_at_random
from tests.faults.submission_cases import SUBMISSIONS
from tests.faults.training_cases import TRAININGS
from tests.faults.training_rounds import kill_trainings

_CASES = (
    *(*KILLS, *TRAININGS, *PICTURES, *PROVIDER, *SUBMISSIONS, *AT_ONCE),
    *(*NETWORK, *LOST_RESPONSES, *HOSTILE),
)

console = Console(width=120)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--kills", type=int, help="number of random kills; 100")
    parser.add_argument("--trainings", type=int, help="number of killed trainings; 20")
    arguments = parser.parse_args()
    for name, number in {"kills": 100, "trainings": 20}.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, 0 if arguments.only else number)
    return arguments


async def main() -> int:
    """Run everything; return 0 where the four columns are zero."""
    arguments = _arguments()
    rows: list[Row] = []
    cases = [case for case in _CASES if arguments.only in case.name]
    async for row in run_all(cases):
        _tell(row)
        rows.append(row)
    console.print(f"random kills with --seed {arguments.seed}")
    trainings = kill_trainings(arguments.seed, arguments.trainings)
    for rounds in (trainings, kill_at_random(arguments.seed, arguments.kills)):
        async for row in rounds:
            _tell(row)
            rows.append(row)
    console.print(matrix(rows))
    for row in rows:
        if not row.is_good:
            console.print(row.case.name)
            complain(console, row)
    return 0 if all(row.is_good for row in rows) else 1


def _tell(row: Row) -> None:
    console.print(f"{row.took_s:6.1f} s  {row.case.name}" + ("" if row.is_good else "  FAILED"))
    complain(console, row)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
