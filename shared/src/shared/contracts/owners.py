"""The owner of runs and objects."""

from shared.contracts.message import Message


class Owner(Message):
    """The owner of a run: recorded with every object that the run writes, and its fairness key."""

    origin_instance: str
    origin_tenant_id: str | None = None
