"""Tables of tasks, workflows, steps, events, stored objects and API keys."""

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
    """Return an index for lists, which do not show deleted rows."""
    return Index(name, *columns, postgresql_where=text("is_deleted IS FALSE"))


class Task(Base, Origin, ProviderChoice, Deletion, Timestamps):
    """One unit of work: a client's own task, or a step of a workflow."""

    __tablename__ = "tasks"
    __table_args__ = (
        # Indexes that end in is_deleted serve lists as well as queries that include deleted tasks.
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
    """The task type's request fields, by their REST names. Images are paths; `picture_objects` has
    the object keys of those whose key differs from the path."""
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The task type's result fields, by their REST names."""
    provenance: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """A `ProvenanceRecord`. Deferred: polls and lists do not read it."""
    progress: Mapped[float] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_count: Mapped[int] = mapped_column(default=0)
    errors: Mapped[list[str]] = mapped_column(default=list)
    warnings: Mapped[list[str] | None]
    """Parts of the request that have less effect than expected, one sentence each."""
    waiting_for: Mapped[str | None]
    """The condition that its run waits for; cleared when a worker picks the task up."""
    error_category: Mapped[str | None] = mapped_column(String(30))
    fallback_used: Mapped[bool] = mapped_column(default=False, server_default="false")
    executor_type: Mapped[str | None] = mapped_column(String(50))
    executor_instance: Mapped[str | None] = mapped_column(String(255))
    service_task_id: Mapped[str | None] = mapped_column(String(255))
    service_requests: Mapped[list[dict[str, Any]]] = mapped_column(
        default=list, server_default="[]"
    )
    """All calls to outside services, without keys and pictures."""
    billed: Mapped[list[dict[str, Any]]] = mapped_column(default=list, server_default="[]")
    """`BilledUnits` of all attempts."""
    is_resumed: Mapped[bool] = mapped_column(default=False, server_default="false")
    resume_attempt_count: Mapped[int] = mapped_column(default=0, server_default="0")
    last_resume_attempt: Mapped[datetime | None]
    temporal_id: Mapped[str] = mapped_column(String(64))
    """Workflow id in Temporal: of its own run or of its pipeline's."""
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
        # In byte order (COLLATE "C" in the migration, which the comparison with the models does not
        # see), so that it serves prefix searches as well as sorting by name. Postgres estimates the
        # number of matches from extended statistics (migration 0009), not from a partial index.
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
    """Parts of the request that have less effect than expected, one sentence each."""
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    steps: Mapped[list["WorkflowStep"]] = relationship(
        order_by="WorkflowStep.position", cascade="all, delete-orphan"
    )


class WorkflowStep(Base, ProviderChoice, Timestamps):
    """One node of a workflow's DAG. Its work is done by the task that it names."""

    __tablename__ = "workflow_steps"
    __table_args__ = (UniqueConstraint("workflow_id", "step_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    workflow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    position: Mapped[int]
    """Index in topological order, from 0."""
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
    """Warnings of its task."""
    retry_count: Mapped[int] = mapped_column(default=0)
    max_retries: Mapped[int] = mapped_column(default=3)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class Event(Base):
    """A change of a subject; written in the transaction of the change."""

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
    """Sequence number within the subject: from 1, without gaps."""
    event_type: Mapped[str] = mapped_column(String(40))
    is_terminal: Mapped[bool] = mapped_column(default=False)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StoredObject(Base):
    """The owner of an object. Every path that the API serves has a row."""

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
    """Path in the API. Collation "C", so that a prefix is a range of the indexes."""
    object_key: Mapped[str | None] = mapped_column(String(1024, collation="C"))
    """Object key of the content: each save writes a new object and updates the row. None: the path
    is the object key, as for outputs of tasks and for older saved pictures."""
    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    task_id: Mapped[uuid.UUID | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64))
    lost_at: Mapped[datetime | None]
    """Time at which the object was found missing. It is not listed until it is present again."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def content_key(self) -> str:
        """The object key of the content."""
        return self.object_key or self.key


class ApiKey(Base):
    """A client's credential. The key itself is not stored."""

    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(20))
    """The first characters of the key, for display."""
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the key in hex. The key has 256 bits of entropy, so no slow hash is needed."""
    scopes: Mapped[list[str]] = mapped_column(default=list)
    origin_instance: Mapped[str | None] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """Written at most once a minute."""
    requests_per_minute: Mapped[int | None]
    """Rate limit of this key. None: the gateway's setting."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
