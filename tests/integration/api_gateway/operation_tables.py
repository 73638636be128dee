"""Expected access to each operation of the API; every new operation is added to one table here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fixtures.tenants import TenantRecords

_METHODS = {"get", "post", "put", "patch", "delete", "head"}
_TASKS, _WORKFLOWS = "/api/v1/tasks", "/api/v1/workflows"
_TRAINING, _MONITORING = "/api/v1/training", "/api/v1/monitoring"
_WEBHOOKS = "/api/v1/webhooks"
IMAGES = "/api/v1/storage/images"
_GENERATION = {"task_type": "GENERATION", "prompt": "theirs"}

OPEN = {("GET", "/health"), ("GET", "/livez"), ("GET", "/readyz")}
"""Operations without a credential."""

ADDRESSED: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", f"{_TASKS}/{{task_id}}"): {},
    ("GET", f"{_TASKS}/{{task_id}}/provenance"): {},
    ("PUT", f"{_TASKS}/{{task_id}}"): {"json": _GENERATION},
    ("DELETE", f"{_TASKS}/{{task_id}}"): {},
    ("POST", f"{_TASKS}/{{task_id}}/cleanup"): {},
    ("POST", f"{_TASKS}/{{task_id}}/cancel"): {},
    ("GET", f"{_TASKS}/generation/{{task_id}}"): {},
    ("PUT", f"{_TASKS}/generation/{{task_id}}"): {"json": _GENERATION},
    ("POST", f"{_TASKS}/generation/{{task_id}}/cancel"): {},
    ("GET", f"{_WORKFLOWS}/{{workflow_id}}"): {},
    ("PATCH", f"{_WORKFLOWS}/{{workflow_id}}"): {"json": {"name": "theirs"}},
    ("DELETE", f"{_WORKFLOWS}/{{workflow_id}}"): {},
    ("POST", f"{_WORKFLOWS}/{{workflow_id}}/start"): {},
    ("POST", f"{_WORKFLOWS}/{{workflow_id}}/pause"): {},
    ("POST", f"{_WORKFLOWS}/{{workflow_id}}/cancel"): {},
    ("POST", f"{_WORKFLOWS}/{{workflow_id}}/resume"): {},
    ("POST", f"{_WORKFLOWS}/{{workflow_id}}/cleanup"): {},
    ("GET", f"{_TRAINING}/{{task_id}}"): {},
    ("POST", f"{_TRAINING}/{{task_id}}/cancel"): {},
    ("GET", f"{_TASKS}/{{task_id}}/events"): {},
    ("GET", f"{_WORKFLOWS}/{{workflow_id}}/events"): {},
    ("GET", f"{_TRAINING}/{{task_id}}/events"): {},
    ("GET", f"{IMAGES}/{{path}}"): {},
    ("HEAD", f"{IMAGES}/{{path}}"): {},
    ("DELETE", f"{IMAGES}/{{path}}"): {},
    ("GET", f"{_MONITORING}/tasks/{{task_id}}"): {},
    ("GET", f"{_MONITORING}/tasks/{{task_id}}/media"): {},
    ("GET", f"{_MONITORING}/workflows/{{workflow_id}}"): {},
    ("GET", f"{_WEBHOOKS}/deliveries/{{delivery_id}}"): {},
    ("POST", f"{_WEBHOOKS}/deliveries/{{delivery_id}}/replay"): {},
    ("POST", f"{_WEBHOOKS}/endpoints/{{endpoint_id}}/enable"): {},
}
"""Operations on one object, with the rest of a valid request: 404 for other tenants."""

LISTS = {
    ("GET", f"{_TASKS}/"),
    ("GET", f"{_TASKS}/generation"),
    ("GET", f"{_WORKFLOWS}/"),
    ("GET", f"{_TRAINING}/"),
    ("GET", IMAGES),
    ("GET", "/api/v1/lora/"),
    ("GET", f"{_MONITORING}/tasks"),
    ("GET", f"{_MONITORING}/workflows"),
    ("GET", f"{_WEBHOOKS}/deliveries"),
    ("GET", f"{_WEBHOOKS}/endpoints"),
}
"""Operations that show a caller only its own objects."""

STATISTICS = {("GET", f"{_MONITORING}/stats"), ("GET", f"{_MONITORING}/workflows/stats")}
"""Operations that count only the caller's own objects."""

PLATFORM = {
    ("GET", f"{_MONITORING}/queues"),
    ("GET", f"{_MONITORING}/providers"),
    ("GET", f"{_MONITORING}/workers"),
    ("GET", f"{_MONITORING}/workers/health"),
    ("GET", "/api/v1/evaluation/health"),
}
"""Operations about the platform, without any tenant's data."""

CREATES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", f"{_TASKS}/"): {"json": _GENERATION},
    ("POST", f"{_WORKFLOWS}/"): {
        "json": {
            "name": "theirs",
            "steps": [{"id": "a", "task_type": "GENERATION", "config": {"prompt": "theirs"}}],
        }
    },
    ("POST", f"{_TRAINING}/"): {"json": {"trigger_word": "theirs"}},
}
"""Operations that name the owner of a new object: a bound key may only name its own."""

CALLERS_OWN = {
    ("POST", "/api/v1/lora/upload"),
    ("POST", "/api/v1/evaluation/"),
}
"""Operations that name no existing object."""

OWN_SECRETS = {
    ("GET", f"{_WEBHOOKS}/secret"),
    ("POST", f"{_WEBHOOKS}/secret/rotate"),
}
"""Operations that name an owner in the query: a bound key may only name its own."""

OVERWRITES = {("POST", f"{IMAGES}/{{path}}")}
"""Operations that write to a path of the caller's choice."""

ADMIN = {("POST", "/api/v1/admin/lora/upload"), ("DELETE", "/api/v1/admin/lora")}
"""Operations of administrators."""

TABLES = (
    OPEN,
    ADDRESSED,
    LISTS,
    STATISTICS,
    PLATFORM,
    CREATES,
    CALLERS_OWN,
    OWN_SECRETS,
    OVERWRITES,
    ADMIN,
)
KNOWN = frozenset(name for table in TABLES for name in table)


@dataclass(frozen=True)
class Operation:
    """An operation of the document."""

    method: str
    path: str
    details: dict[str, Any]

    @property
    def name(self) -> tuple[str, str]:
        return self.method, self.path

    def url(self, owned: TenantRecords) -> str:
        """Return its URL for the objects of a tenant."""
        is_training = self.path.startswith(_TRAINING)
        return self.path.format(
            task_id=owned.training_id if is_training else owned.task_id,
            workflow_id=owned.workflow_id,
            path=owned.image_path,
            delivery_id=owned.delivery_id,
            endpoint_id=owned.endpoint_id,
        )

    @property
    def query_names(self) -> set[str]:
        return {p["name"] for p in self.details.get("parameters", []) if p["in"] == "query"}


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in _METHODS & set(item):
            yield Operation(method.upper(), path, item[method])
