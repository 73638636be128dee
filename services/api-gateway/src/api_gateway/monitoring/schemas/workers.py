"""Schemas of queues and workers for the dashboard."""

from datetime import datetime

from pydantic import BaseModel, Field


class QueueStats(BaseModel):
    """One task queue."""

    name: str = Field(description="Queue name")
    depth: int = Field(default=0, description="Number of pending tasks in queue")
    active_workers: int = Field(default=0, description="Number of workers consuming this queue")
    active_tasks: int = Field(default=0, description="Number of tasks currently being executed")
    reserved_tasks: int = Field(
        default=0, description="Number of tasks reserved by workers (prefetched)"
    )
    avg_wait_time_ms: float | None = Field(
        default=None, description="Average time tasks wait in queue before execution (ms)"
    )
    tasks_completed_last_hour: int = Field(
        default=0, description="Number of tasks completed in the last hour"
    )


class QueueStatsResponse(BaseModel):
    """Response for queue statistics endpoint."""

    queues: list[QueueStats] = Field(default=[], description="Statistics per queue")
    total_pending: int = Field(default=0, description="Total pending tasks across all queues")
    total_active: int = Field(default=0, description="Total active tasks across all queues")
    timestamp: datetime = Field(description="Timestamp when stats were collected")


class WorkerInfo(BaseModel):
    """One worker."""

    name: str = Field(description="Worker name (e.g., worker-fal@host1)")
    queues: list[str] = Field(default=[], description="Queues this worker consumes")
    concurrency: int = Field(default=0, description="Maximum concurrent tasks")
    active_tasks: int = Field(default=0, description="Number of tasks currently executing")
    utilization_pct: float = Field(
        default=0.0, description="Utilization percentage (active_tasks / concurrency * 100)"
    )
    has_capacity: bool = Field(
        default=True, description="Whether worker has capacity for more tasks"
    )
    tasks_completed_total: int = Field(
        default=0, description="Total tasks completed by this worker"
    )
    tasks_per_minute: float = Field(default=0.0, description="Average tasks completed per minute")
    memory_mb: float | None = Field(
        default=None, description="Total memory usage in MB (main process + pool children)"
    )


class WorkerStatsResponse(BaseModel):
    """Response for worker statistics endpoint."""

    workers: list[WorkerInfo] = Field(default=[], description="Statistics per worker")
    total_workers: int = Field(default=0, description="Total number of workers")
    total_capacity: int = Field(
        default=0, description="Total capacity (sum of all worker concurrency)"
    )
    total_active: int = Field(default=0, description="Total active tasks across all workers")
    total_utilization_pct: float = Field(default=0.0, description="Overall utilization percentage")
    workers_at_capacity: int = Field(default=0, description="Number of workers at full capacity")
    timestamp: datetime = Field(description="Timestamp when stats were collected")


class WorkerHealthResponse(BaseModel):
    """Quick health check response for worker availability."""

    healthy: bool = Field(description="Overall health status")
    total_workers: int = Field(default=0, description="Total number of workers")
    workers_with_capacity: int = Field(
        default=0, description="Number of workers with available capacity"
    )
    queues_with_workers: list[str] = Field(
        default=[], description="Queues that have at least one worker"
    )
    queues_without_workers: list[str] = Field(default=[], description="Queues that have no workers")
    timestamp: datetime = Field(description="Timestamp when health was checked")
