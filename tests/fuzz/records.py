"""Internal texts in the records of a run, including those of workers' errors."""

import httpx

from local_stack.stack import LocalStack
from tests.fuzz.report import leaked_internals

_LISTS = (
    "/api/v1/tasks/?include_deleted=true&limit=1000",
    "/api/v1/workflows/?include_deleted=true&limit=1000",
    "/api/v1/training/?limit=1000",
    "/api/v1/webhooks/deliveries?limit=1000",
    "/api/v1/webhooks/endpoints?limit=1000",
)


async def records_with_internals(stack: LocalStack) -> list[str]:
    """Read every list to its end and return the internal texts in it."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    found: list[str] = []
    async with httpx.AsyncClient(
        base_url=stack.endpoints.gateway_url, headers=headers, timeout=60, trust_env=False
    ) as api:
        for first in _LISTS:
            url: str | None = first
            while url is not None:
                page = (await api.get(url)).raise_for_status()
                text = leaked_internals(page.text)
                found += [f"{url}: {text}"] if text else []
                url = page.links.get("next", {}).get("url")
    return found
