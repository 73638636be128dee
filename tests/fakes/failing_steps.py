"""A provider that is down for some steps of a workflow."""

from collections import Counter
from dataclasses import dataclass, field

from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory
from tests.fakes.inference import Attempt


@dataclass
class Provider:
    """A provider that fails for the tasks in `down_for`."""

    down_for: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter[str])

    async def act(self, attempt: Attempt) -> None:
        task = str(attempt.task_id)
        self.attempts[task] += 1
        if task in self.down_for:
            kind = ErrorCategory.PROVIDER_ERROR
            raise ApplicationError("the provider is down", type=kind, non_retryable=True)
