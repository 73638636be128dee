"""The two applications of the gateway: the public API, and the listener for workers."""

from fastapi import FastAPI

from api_gateway.auth.middleware import AuthMiddleware
from api_gateway.document.public_api import PublicApi
from api_gateway.errors import add_error_handlers
from api_gateway.evaluation.routes import router as evaluation
from api_gateway.events.routes import router as events
from api_gateway.health.routes import router as health
from api_gateway.ignored.middleware import IgnoredHeaders
from api_gateway.lora.routes import admin_router as admin_lora
from api_gateway.lora.routes import router as lora
from api_gateway.middleware.body_limits import BodyLimit, internal_limits, public_limits
from api_gateway.middleware.trailing_slashes import TrailingSlashes
from api_gateway.middleware.unexpected_errors import UnexpectedErrors
from api_gateway.monitoring.routes import router as monitoring
from api_gateway.pages.routes import router as pages
from api_gateway.progress.routes import router as progress
from api_gateway.resources import Resources
from api_gateway.storage.routes import router as storage
from api_gateway.tasks.generation_routes import router as generation_tasks
from api_gateway.tasks.routes import router as tasks
from api_gateway.training.routes import router as training
from api_gateway.webhooks.routes import router as webhooks
from api_gateway.workflows.routes import router as workflows


def public_api() -> PublicApi:
    """Return an application with every public route and no resources: enough to document them."""
    api = PublicApi()
    for router in (
        generation_tasks,
        tasks,
        workflows,
        training,
        evaluation,
        storage,
        lora,
        admin_lora,
        events,
        monitoring,
        webhooks,
        health,
        pages,
    ):
        # Not `include_router`: FastAPI would match an included router's routes twice per request.
        api.router.routes.extend(router.routes)
    return api


def create_app(resources: Resources) -> FastAPI:
    """Return the public API."""
    app = public_api()
    app.state.resources = resources
    app.add_middleware(IgnoredHeaders)
    # Authentication comes before the size limit: an unauthenticated client gets 401, not 413.
    app.add_middleware(BodyLimit, limit_of=public_limits(resources.settings))
    app.add_middleware(AuthMiddleware, resources=resources)
    app.add_middleware(TrailingSlashes)
    app.add_middleware(UnexpectedErrors)
    add_error_handlers(app)
    return app


def create_internal_app(resources: Resources) -> FastAPI:
    """Return the application for workers; it has no OpenAPI document and no public routes."""
    app = FastAPI(openapi_url=None)
    app.state.resources = resources
    app.add_middleware(BodyLimit, limit_of=internal_limits)
    app.add_middleware(UnexpectedErrors)
    app.include_router(progress)
    add_error_handlers(app)
    return app
