"""Runs schemathesis against a platform and judges what it saw.

In full, as `make fuzz-api`: `python -m tests.fuzz.runs`.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local_stack.stack import LocalStack
from tests.contract.contract_check import load_contract
from tests.fuzz.records import unspeakable_records
from tests.fuzz.target import open_target
from tests.fuzz.verdict import Verdict, judge

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
    """What schemathesis says, and what its answers say."""

    exit_codes: tuple[int, ...]
    """Of each run of schemathesis; 0: it found nothing."""
    report: str
    """All that it printed."""
    verdict: Verdict

    @property
    def is_clean(self) -> bool:
        """Schemathesis found nothing."""
        return not any(self.exit_codes)


async def fuzz(stack: LocalStack, runs: tuple[tuple[str, ...], ...], *, shows: bool) -> Outcome:
    """Run schemathesis, once for each list of options.

    Args:
        stack: what is fuzzed.
        runs: options beside those in `schemathesis.toml`.
        shows: lets it print to the terminal; then there is no report.
    """
    with tempfile.TemporaryDirectory(prefix="sartiq-fuzz-") as folder:
        answers = Path(folder) / "answers.jsonl"
        answers.touch()
        results = [await _run(stack, options, answers, shows=shows) for options in runs]
        verdict = judge(
            answers,
            (f"{o['method']} {o['path']}" for o in load_contract()["operations"]),
            await unspeakable_records(stack),
        )
    codes = tuple(code for code, _ in results)
    return Outcome(codes, "\n".join(printed for _, printed in results), verdict)


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
        cwd=answers.parent,  # it leaves files where it runs
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
    """The full run; 0: nothing was found."""
    async with open_target() as stack:
        outcome = await stack.guard(fuzz(stack, FULL, shows=True))
    is_good = outcome.is_clean and outcome.verdict.is_good
    print(outcome.verdict)  # noqa: T201 — its output
    print("fuzz-api:", "passed" if is_good else f"FAILED (schemathesis: {outcome.exit_codes})")  # noqa: T201
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
