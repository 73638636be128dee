"""Runs of schemathesis against a platform, and their reports.

The full run, as `make fuzz-api`: `python -m tests.fuzz.runs`.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local_stack.stack import LocalStack
from tests.contract.contract_check import load_contract
from tests.fuzz.records import records_with_internals
from tests.fuzz.report import FuzzReport, judge
from tests.fuzz.target import open_target

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]

FULL = (("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "100"),)
BOUNDED = (
    ("--phases", "examples,fuzzing,stateful", "--max-examples", "5"),
    # Of the 21,000 requests that cover every schema, 19,000 are for these two.
    (
        "--phases",
        "coverage",
        "--exclude-operation-id",
        "create_task",
        "--exclude-operation-id",
        "create_workflow",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """The result of schemathesis, and the report of the responses."""

    exit_codes: tuple[int, ...]
    """One for each run of schemathesis; 0: no fault found."""
    output: str
    """The output of all runs."""
    report: FuzzReport

    @property
    def is_clean(self) -> bool:
        """True where schemathesis found no fault."""
        return not any(self.exit_codes)


async def fuzz(stack: LocalStack, runs: tuple[tuple[str, ...], ...], *, shows: bool) -> Outcome:
    """Run schemathesis, once for each list of options.

    Args:
        stack: the platform to fuzz.
        runs: options beside those in `schemathesis.toml`.
        shows: print to the terminal; then `output` is empty.
    """
    with tempfile.TemporaryDirectory(prefix="sartiq-fuzz-") as folder:
        answers = Path(folder) / "answers.jsonl"
        answers.touch()
        results = [await _run(stack, options, answers, shows=shows) for options in runs]
        report = judge(
            answers,
            (f"{o['method']} {o['path']}" for o in load_contract()["operations"]),
            await records_with_internals(stack),
        )
    codes = tuple(code for code, _ in results)
    return Outcome(codes, "\n".join(printed for _, printed in results), report)


async def _run(
    stack: LocalStack, options: tuple[str, ...], answers: Path, *, shows: bool
) -> tuple[int, str]:
    url = stack.endpoints.gateway_url
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(_HERE / "schemathesis.toml"),
        "run",
        f"{url}/openapi.json",
        "--header",
        f"Authorization: Bearer {stack.api_key}",
        "--no-color",
        *options,
        cwd=answers.parent,  # it writes files to its working directory
        env=os.environ
        | {
            "PYTHONPATH": str(_ROOT),
            "SARTIQ_FUZZ_URL": url,
            "SARTIQ_FUZZ_KEY": stack.api_key,
            "SARTIQ_FUZZ_ANSWERS": str(answers),
        },
        stdout=None if shows else asyncio.subprocess.PIPE,
        stderr=None if shows else asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, (printed or b"").decode(errors="replace")


async def main() -> int:
    """Run everything; return 0 where there is no fault."""
    async with open_target() as stack:
        outcome = await stack.guard(fuzz(stack, FULL, shows=True))
    is_good = outcome.is_clean and outcome.report.is_good
    print(outcome.report)  # noqa: T201 — its output
    print("fuzz-api:", "passed" if is_good else f"FAILED (schemathesis: {outcome.exit_codes})")  # noqa: T201
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
