"""Messages of runs: the owner of a task's circuit breaker, and verdicts on vendors."""

from typing import Any

import pytest

from shared.contracts.enums import AiProvider, ErrorCategory, ProviderType
from shared.contracts.evaluation import EvaluationTry, FailedTries
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.runs import BreakerKey, ProviderVerdict
from shared.contracts.service_requests import CallReport
from tests.fixtures.workflow_runs import generation


@pytest.mark.parametrize(
    ("provider", "config", "key"),
    [
        (ProviderType.AI_CORE, {"ai_provider": "openai", "model": "m"}, AiProvider.OPENAI),
        (ProviderType.AI_CORE, {"ai_provider": "mistral"}, ProviderType.AI_CORE),
        (ProviderType.AI_CORE, {"ai_provider": ["openai"]}, ProviderType.AI_CORE),
        (ProviderType.AI_CORE, {}, ProviderType.AI_CORE),
        (ProviderType.VERTEX, {"ai_provider": "openai"}, ProviderType.VERTEX),
    ],
)
def test_attempts_at_a_language_model_count_for_its_vendor(
    provider: ProviderType, config: dict[str, Any], key: BreakerKey
) -> None:
    assert generation(provider_type=provider, provider_config=config).breaker is key


@pytest.mark.parametrize("key", [*ProviderType, *AiProvider])
def test_a_verdict_keeps_whose_it_is_on_its_way_through_temporal(key: BreakerKey) -> None:
    verdict = ProviderVerdict(provider_type=key, is_success=True)
    assert ProviderVerdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("category", ErrorCategory)
def test_a_try_counts_against_its_vendor_as_an_attempt_does(category: ErrorCategory) -> None:
    tried = EvaluationTry(provider=AiProvider.OLLAMA, category=category, error="no")
    counts = CONSEQUENCES[category].counts_against_provider
    assert tried.verdict.is_success is (False if counts else None)


def test_details_of_a_failure_are_read_by_both_readers() -> None:
    tried = EvaluationTry(provider=AiProvider.OLLAMA, category=ErrorCategory.NETWORK, error="no")
    details = FailedTries(tries=[tried]).to_details()
    assert FailedTries.from_details(details).tries == [tried]
    assert CallReport.from_details(details) == CallReport()
    assert FailedTries.from_details(CallReport().to_details()).tries == []
    assert FailedTries.from_details([{"provider": "fal_standard"}]).tries == []
