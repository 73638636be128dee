"""The schemas of one task type."""

from typing import NamedTuple

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase


class TaskSchemas(NamedTuple):
    """The create request, the record, and the change of a record."""

    create: type[CreateTaskBase]
    public: type[TaskPublicBase]
    update: type[TaskPublicUpdateBase]
