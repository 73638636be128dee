"""Fairness weights of tenants, added to each run that a client starts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

from shared.temporal.fairness import fairness_key


class FairnessWeights(Interceptor):
    """Adds the weight to every start with a fairness key. Activities inherit both.

    Code that starts a run only sets the fairness key.

    Args:
        weights: by tenant, or by instance if a run has no tenant.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = {fairness_key(name, None): weight for name, weight in weights.items()}

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 — the SDK's name
        """Wrap the client's calls."""
        return _Weigh(next, self._weights)


class _Weigh(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, weights: Mapping[str, float]) -> None:  # noqa: A002
        super().__init__(next)
        self._weights = weights

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        weight = self._weights.get(input.priority.fairness_key or "")
        if weight is not None and input.priority.fairness_weight is None:
            input.priority = dataclasses.replace(input.priority, fairness_weight=weight)
        return await super().start_workflow(input)
