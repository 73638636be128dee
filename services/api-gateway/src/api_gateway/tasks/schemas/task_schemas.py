"""The schemas of one task type, together."""

from typing import NamedTuple

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase


class TaskSchemas(NamedTuple):
    """What creates a task of the type, what shows it, what changes it."""

    create: type[CreateTaskBase]
    public: type[TaskPublicBase]
    update: type[TaskPublicUpdateBase]
