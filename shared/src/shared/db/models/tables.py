"""The tables of tasks, workflows, events, objects and keys; the others lie beside this module."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    TextClause,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.contracts.enums import StepStatus, TaskStatus, WorkflowStatus
from shared.db.models.base import TENANT, Base, Deletion, Origin, ProviderChoice, Timestamps

_NEWEST = text("created_at DESC")
_LONGEST = text("(completed_at - started_at) DESC NULLS LAST")


def _live_index(name: str, *columns: str | TextClause) -> Index:
    """An index for lists, which do not show what was cleaned up."""
    return Index(name, *columns, postgresql_where=text("is_deleted IS FALSE"))


class Task(Base, Origin, ProviderChoice, Deletion, Timestamps):
    """One unit of work: a client's own task, or a step of a workflow."""

    __tablename__ = "tasks"
    __table_args__ = (
        # Those that end in is_deleted serve questions about all tasks as well as the lists.
        Index("ix_tasks_newest", text("created_at DESC"), text("id DESC"), "is_deleted"),
        Index(
            "ix_tasks_tenant",
            "origin_instance",
            "origin_tenant_id",
            text("created_at DESC"),
            "is_deleted",
        ),
        Index("ix_tasks_workflow", "workflow_id"),
        _live_index("ix_tasks_status", "status", _NEWEST),
        _live_index("ix_tasks_type", "task_type", _NEWEST),
        _live_index("ix_tasks_provider", "provider_type", _NEWEST),
        _live_index("ix_tasks_zone", "origin_zone", _NEWEST),
        _live_index("ix_tasks_instance", "origin_instance", _NEWEST),
        _live_index("ix_tasks_tenant_alone", "origin_tenant_id", _NEWEST),
        Index(
            "ix_tasks_started", text("started_at DESC NULLS LAST"), text("id DESC"), "is_deleted"
        ),
        Index(
            "ix_tasks_completed",
            text("completed_at DESC NULLS LAST"),
            text("id DESC"),
            "is_deleted",
        ),
        _live_index("ix_tasks_duration", _LONGEST, text("id DESC")),
        Index("ix_tasks_executing", "queue_name", postgresql_where=text("status = 'EXECUTING'")),
        Index(
            "ix_tasks_queued",
            TENANT,
            postgresql_where=text("workflow_id IS NULL AND status IN ('PENDING', 'EXECUTING')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    task_type: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), default=TaskStatus.PENDING)
    provider_type: Mapped[str] = mapped_column(String(50))
    queue_name: Mapped[str] = mapped_column(String(50))
    priority: Mapped[int] = mapped_column(default=0)
    max_retries: Mapped[int] = mapped_column(default=3)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The task type's own request fields, by their REST names; images as paths, beside which
    `picture_objects` has the keys of those whose bytes lie elsewhere."""
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The task type's own result fields, by their REST names."""
    provenance: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """A `ProvenanceRecord`. Read by itself: clients poll the others, and lists show them."""
    progress: Mapped[float] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_count: Mapped[int] = mapped_column(default=0)
    errors: Mapped[list[str]] = mapped_column(default=list)
    warnings: Mapped[list[str] | None]
    """What of its request does less than its sender may think, a sentence each."""
    waiting_for: Mapped[str | None]
    """What its run has found to be missing before it can be done; void once it is picked up."""
    error_category: Mapped[str | None] = mapped_column(String(30))
    fallback_used: Mapped[bool] = mapped_column(default=False, server_default="false")
    executor_type: Mapped[str | None] = mapped_column(String(50))
    executor_instance: Mapped[str | None] = mapped_column(String(255))
    service_task_id: Mapped[str | None] = mapped_column(String(255))
    service_requests: Mapped[list[dict[str, Any]]] = mapped_column(
        default=list, server_default="[]"
    )
    """Every call to an outside service; never keys or pictures."""
    is_resumed: Mapped[bool] = mapped_column(default=False, server_default="false")
    resume_attempt_count: Mapped[int] = mapped_column(default=0, server_default="0")
    last_resume_attempt: Mapped[datetime | None]
    temporal_id: Mapped[str] = mapped_column(String(64))
    """Workflow id of the Temporal run that executes it: its own, or its pipeline's."""
    webhook_url: Mapped[str | None] = mapped_column(String(512))
    workflow_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("workflows.id", ondelete="CASCADE")
    )
    step_id: Mapped[str | None] = mapped_column(String(100))
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    """Sequence number of its newest event."""
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class Workflow(Base, Origin, Deletion, Timestamps):
    """A DAG of steps."""

    __tablename__ = "workflows"
    __table_args__ = (
        Index("ix_workflows_newest", text("created_at DESC"), text("id DESC"), "is_deleted"),
        Index(
            "ix_workflows_tenant",
            "origin_instance",
            "origin_tenant_id",
            text("created_at DESC"),
            "is_deleted",
        ),
        _live_index("ix_workflows_status", "status", _NEWEST),
        _live_index("ix_workflows_zone", "origin_zone", _NEWEST),
        _live_index("ix_workflows_instance", "origin_instance", _NEWEST),
        _live_index("ix_workflows_tenant_alone", "origin_tenant_id", _NEWEST),
        Index(
            "ix_workflows_started",
            text("started_at DESC NULLS LAST"),
            text("id DESC"),
            "is_deleted",
        ),
        Index(
            "ix_workflows_completed",
            text("completed_at DESC NULLS LAST"),
            text("id DESC"),
            "is_deleted",
        ),
        _live_index("ix_workflows_duration", _LONGEST, text("id DESC")),
        # In byte order (COLLATE "C", in the migration; its comparison with models cannot see it),
        # so that it serves the search by prefix as well as the order by name. How many names have
        # a prefix Postgres learns from statistics (migration 0009): from a partial index it cannot.
        _live_index("ix_workflows_name", text("lower(name)"), "id"),
        Index(
            "ix_workflows_open",
            TENANT,
            postgresql_where=text("status IN ('PENDING', 'RUNNING', 'PAUSED')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(String(1000))
    status: Mapped[str] = mapped_column(String(20), default=WorkflowStatus.PENDING)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    suppress_subtask_events: Mapped[bool] = mapped_column(default=True)
    webhook_url: Mapped[str | None] = mapped_column(String(512))
    temporal_id: Mapped[str] = mapped_column(String(64))
    total_steps: Mapped[int] = mapped_column(default=0)
    completed_steps: Mapped[int] = mapped_column(default=0)
    current_step: Mapped[str | None] = mapped_column(String(100))
    final_step_id: Mapped[str | None] = mapped_column(String(100))
    final_step_result: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    errors: Mapped[list[str]] = mapped_column(default=list)
    warnings: Mapped[list[str] | None]
    """What of its request does less than its sender may think, a sentence each."""
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    steps: Mapped[list["WorkflowStep"]] = relationship(
        order_by="WorkflowStep.position", cascade="all, delete-orphan"
    )


class WorkflowStep(Base, ProviderChoice, Timestamps):
    """One node of a workflow's DAG; the work itself is the task it names."""

    __tablename__ = "workflow_steps"
    __table_args__ = (UniqueConstraint("workflow_id", "step_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    workflow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    position: Mapped[int]
    """Place in topological order, from 0."""
    step_id: Mapped[str] = mapped_column(String(100))
    task_type: Mapped[str] = mapped_column(String(40))
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dependencies: Mapped[list[str]] = mapped_column(default=list)
    input_mappings: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    status: Mapped[str] = mapped_column(String(20), default=StepStatus.PENDING)
    task_id: Mapped[uuid.UUID | None]
    result: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    warnings: Mapped[list[str] | None]
    """Those of its task."""
    retry_count: Mapped[int] = mapped_column(default=0)
    max_retries: Mapped[int] = mapped_column(default=3)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class Event(Base):
    """One change of one subject: written in the transaction that makes the change."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("subject_id", "seq"),
        Index(
            "uq_events_terminal", "subject_id", unique=True, postgresql_where=text("is_terminal")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    subject_id: Mapped[uuid.UUID]
    subject_kind: Mapped[str] = mapped_column(String(20))
    seq: Mapped[int]
    """Gap-free per subject, from 1."""
    event_type: Mapped[str] = mapped_column(String(40))
    is_terminal: Mapped[bool] = mapped_column(default=False)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StoredObject(Base):
    """Who owns an object: every key that the API serves has a row here."""

    __tablename__ = "stored_objects"
    __table_args__ = (
        Index("ix_stored_objects_task", "task_id"),
        Index("ix_stored_objects_tenant", "origin_instance", "origin_tenant_id", "key"),
        Index("ix_stored_objects_instance", "origin_instance", "key"),
        Index(
            "uq_stored_objects_object_key",
            "object_key",
            unique=True,
            postgresql_where=text("object_key IS NOT NULL"),
        ),
        Index("ix_stored_objects_lost", "key", postgresql_where=text("lost_at IS NOT NULL")),
    )

    key: Mapped[str] = mapped_column(String(1024, collation="C"), primary_key=True)
    """The path, as clients know it. Compared byte by byte, so that a prefix is a range of the
    indexes."""
    object_key: Mapped[str | None] = mapped_column(String(1024, collation="C"))
    """Key of the object with the bytes: each save writes a new one, and the row switches to it.
    None: the path is the key, as for what tasks write, and what was saved before there were any."""
    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    task_id: Mapped[uuid.UUID | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64))
    lost_at: Mapped[datetime | None]
    """When the object was found to be gone; it is not listed, until it is there again."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def content_key(self) -> str:
        """The key of the object that has the bytes."""
        return self.object_key or self.key


class ApiKey(Base):
    """A client's credential; the key itself is never stored."""

    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(20))
    """The first characters of the key, to recognise it by."""
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the key, hex: the key has 256 bits of entropy, so no slow hash is needed."""
    scopes: Mapped[list[str]] = mapped_column(default=list)
    origin_instance: Mapped[str | None] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """Written at most once a minute."""
    requests_per_minute: Mapped[int | None]
    """Rate limit of this key; none: the gateway's own setting."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
