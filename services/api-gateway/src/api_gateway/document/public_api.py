"""The OpenAPI document: what generators of clients and readers of `/docs` see."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_gateway.document.error_responses import add_error_responses
from api_gateway.document.unrouted_schemas import add_unrouted_schemas
from api_gateway.ignored.documented import add_ignored_headers
from api_gateway.paging import add_page_headers

_DESCRIPTION = """\
An open compute server for generative imaging.

A **task** is one unit of work: a generation, an edit, a refinement, a video. A **workflow** is a
DAG of tasks, whose results become inputs. A **training** makes a LoRA. Each is created with one
request, answered at once, and runs durably: poll its record until `status` is `COMPLETED`,
`FAILED` or `CANCELLED`, or name a `webhook_url` that is told of every change.

* **Credentials**: `Authorization: Bearer` with an API key or a JWT. What belongs to another tenant
  is 404.
* **Pictures** come in as URL, base64 data URI or stored path, and go out as stored paths, read
  under `/api/v1/storage/images/{path}`.
* **Repeating a create** with the same `Idempotency-Key` gives the first answer again.
* **Errors**: wrong input is 422 with up to 50 faults and their places in the body; all others are
  `application/problem+json` with a stable `code`.
* **Unknown fields and parameters** are ignored, and named in the header `Sartiq-Ignored` and in a
  record's `warnings`; with `Prefer: handling=strict` they are 422.
"""
_TAGS: dict[str, str] = {
    "Training": "LoRA trainings, from pictures to weights.",
    "Tasks": "One unit of work each: generation, editing, refinement and the like.",
    "Storage": "Stored pictures by their path.",
    "evaluation": "What a model sees in a picture, answered while the client waits.",
    "admin": "For administrators alone: the LoRA store with its folders and its bin.",
    "lora": "LoRA files that tasks name.",
    "workflows": "DAGs of tasks.",
    "Monitoring": "What runs, what ran, and who runs it.",
    "Endpoints": "Probes, without a credential.",
    "Webhooks": "What was delivered to whom, and the keys that sign it.",
}
"""The groups of operations, in the reference's order and spelling; then our own."""


class PublicApi(FastAPI):
    """FastAPI, whose document also has the schemas that no route mentions."""

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
        """The OpenAPI document, made once."""
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
