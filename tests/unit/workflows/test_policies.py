"""Time limits of submissions."""

from datetime import timedelta

import pytest

from shared.contracts.enums import AnswerMode, ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES
from workflows.policies import submit_timeout

REMOTE = [
    (provider, task_type)
    for provider, row in PROVIDERS.items()
    if row.is_remote
    for task_type in row.queues
]


@pytest.mark.parametrize(("provider", "task_type"), REMOTE)
def test_submission_to_a_provider_that_responds_at_once_has_time_for_the_work(
    provider: ProviderType, task_type: TaskType
) -> None:
    limit = submit_timeout(provider, task_type)
    if PROVIDERS[provider].answers is AnswerMode.QUEUED:
        assert limit == timedelta(seconds=180)
    else:
        assert limit - TASK_TYPES[task_type].start_to_close == timedelta(seconds=60)
