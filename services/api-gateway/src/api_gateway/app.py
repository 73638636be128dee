"""The two applications of the gateway: the public API, and the listener for workers."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_gateway.auth.gate import Gate
from api_gateway.error_responses import add_error_responses
from api_gateway.errors import add_error_handlers
from api_gateway.evaluation.routes import router as evaluation
from api_gateway.health.routes import router as health
from api_gateway.lora.routes import admin_router as admin_lora
from api_gateway.lora.routes import router as lora
from api_gateway.monitoring.routes import router as monitoring
from api_gateway.progress.routes import router as progress
from api_gateway.resources import Resources
from api_gateway.storage.routes import router as storage
from api_gateway.tasks.generation_routes import router as generation_tasks
from api_gateway.tasks.routes import router as tasks
from api_gateway.training.routes import router as training
from api_gateway.unrouted_schemas import add_unrouted_schemas
from api_gateway.workflows.routes import router as workflows

_INTERNAL_BODY_BYTES = 1024 * 1024


class PublicApi(FastAPI):
    """FastAPI, whose document also has the schemas that no route mentions."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if not self.openapi_schema:
            document = get_openapi(title=self.title, version=self.version, routes=self.routes)
            add_unrouted_schemas(document)
            add_error_responses(document)
            self.openapi_schema = document
        return self.openapi_schema


def create_app(resources: Resources) -> FastAPI:
    """The public API."""
    app = PublicApi(
        title="Sartiq Compute",
        version="0.1.0",
        max_body_size=resources.settings.max_body_bytes,
    )
    app.state.resources = resources
    for router in (
        generation_tasks,
        tasks,
        workflows,
        training,
        evaluation,
        storage,
        lora,
        admin_lora,
        monitoring,
        health,
    ):
        app.include_router(router)
    app.add_middleware(Gate)
    add_error_handlers(app)
    return app


def create_internal_app(resources: Resources) -> FastAPI:
    """The listener for workers; it has no documents and no public routes."""
    app = FastAPI(openapi_url=None, max_body_size=_INTERNAL_BODY_BYTES)
    app.state.resources = resources
    app.include_router(progress)
    add_error_handlers(app)
    return app
