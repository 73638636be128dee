"""The public FastAPI application and its OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_gateway.document.error_responses import add_error_responses
from api_gateway.document.unrouted_schemas import add_unrouted_schemas
from api_gateway.ignored.document import add_ignored_headers
from api_gateway.paging import add_page_headers

_DESCRIPTION = """\
A compute server for generative imaging.

A **task** is one unit of work: a generation, an edit, a refinement, a video. A **workflow** is a
DAG of tasks, whose results become inputs. A **training** makes a LoRA. Each is created with one
request, which returns at once, and runs durably: poll its record until `status` is `COMPLETED`,
`FAILED` or `CANCELLED`, or give a `webhook_url`, which receives every change.

* **Credentials**: `Authorization: Bearer` with an API key or a JWT. Objects of another tenant are
  404.
* **Images** are sent as URL, base64 data URI or stored path, and returned as stored paths, which
  `/api/v1/storage/images/{path}` serves.
* **Repeating a create** with the same `Idempotency-Key` returns the first response again.
* **Errors**: invalid input is 422 with up to 50 faults and their places in the body; all other
  errors are `application/problem+json` with a stable `code`.
* **Unknown fields and parameters** are ignored, and listed in the header `Sartiq-Ignored` and in a
  record's `warnings`; with `Prefer: handling=strict` they are 422.
"""
_TAGS: dict[str, str] = {
    "Training": "LoRA trainings, from images to weights.",
    "Tasks": "One unit of work each: generation, editing, refinement and the like.",
    "Storage": "Stored images by path.",
    "evaluation": "Evaluation of an image by a vision model, while the client waits.",
    "admin": "For administrators only: the LoRA store with its folders and its bin.",
    "lora": "LoRA files for tasks.",
    "workflows": "DAGs of tasks.",
    "Monitoring": "Tasks, workflows, queues and workers.",
    "Endpoints": "Health probes, without a credential.",
    "Webhooks": "Deliveries, receivers, and the keys that sign events.",
}
"""The groups of operations: those of the reference in its order and spelling, then our own."""


class PublicApi(FastAPI):
    """A FastAPI application whose document also has the schemas that no route mentions."""

    def __init__(self) -> None:
        super().__init__(
            title="Sartiq Compute",
            version="0.1.0",
            summary="Generative imaging as durable tasks and workflows",
            description=_DESCRIPTION,
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
            openapi_tags=[
                {"name": name, "description": description} for name, description in _TAGS.items()
            ],
        )

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, built once."""
        if not self.openapi_schema:
            document = get_openapi(
                title=self.title,
                version=self.version,
                summary=self.summary,
                description=self.description,
                tags=self.openapi_tags,
                routes=self.routes,
            )
            add_unrouted_schemas(document)
            add_error_responses(document)
            add_ignored_headers(document)
            add_page_headers(document)
            self.openapi_schema = document
        return self.openapi_schema
