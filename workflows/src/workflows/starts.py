"""Starts of Temporal workflows for records. Ids derive from records, so starts are idempotent."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from shared.contracts.datasets import Captioning
from shared.contracts.enums import ProviderType, StepStatus, TaskQueue, TaskType
from shared.contracts.owners import Owner
from shared.contracts.providers import task_queue
from shared.contracts.runs import PipelineRun, PipelineStep, StepMapping, TaskRun
from shared.contracts.training import Hyperparameters, OperatorSettings, TrainingRun
from shared.contracts.transforms import Transform
from shared.db.models.base import Origin
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.models.trainings import Training
from shared.temporal import search
from shared.temporal.fairness import fairness_key
from workflows.definitions.run_pipeline import RunPipeline
from workflows.definitions.run_task import RunTask
from workflows.definitions.run_training import RunTraining
from workflows.policies import (
    PIPELINE_EXECUTION_TIMEOUT,
    TASK_EXECUTION_TIMEOUT,
    TRAINING_EXECUTION_TIMEOUT,
    priority_key,
)
from workflows.start_errors import translated_start_errors
from workflows.versioning import AUTO_UPGRADE

START_TIMEOUT = timedelta(seconds=10)
"""Time that a start waits for its acknowledgement; after that its outcome is unknown."""


def task_run(task: Task) -> TaskRun:
    """Return the workflow input of a task."""
    return TaskRun.model_validate(
        {
            "task_id": task.id,
            "task_type": task.task_type,
            "provider_type": task.provider_type,
            "task_queue": task.queue_name,
            "provider_config": task.provider_config or {},
            "fallback": _fallback(task),
            "inputs": {**task.inputs, "config": task.config},
            "max_retries": task.max_retries,
            "owner": Owner(
                origin_instance=task.origin_instance, origin_tenant_id=task.origin_tenant_id
            ),
        }
    )


def _fallback(task: Task) -> dict[str, Any] | None:
    """Return the fallback provider; none if the task has switched to it already."""
    if task.fallback_provider_type is None or task.fallback_used:
        return None
    provider, task_type = ProviderType(task.fallback_provider_type), TaskType(task.task_type)
    return {
        "provider_type": provider,
        "task_queue": task_queue(provider, task_type, task.config),
        "provider_config": task.fallback_provider_config or {},
    }


def pipeline_run(workflow: Workflow, tasks: dict[str, Task]) -> PipelineRun:
    """Return the workflow input of a pipeline; `tasks` by step id.

    Of a completed step it contains only the result fields that later steps map.
    """
    mapped = {(m["from_step"], m["from_field"]) for s in workflow.steps for m in s.input_mappings}
    return PipelineRun(
        workflow_id=workflow.id,
        name=workflow.name,
        steps=[
            PipelineStep(
                step_id=step.step_id,
                depends_on=step.dependencies,
                mappings=[StepMapping.model_validate(m) for m in step.input_mappings],
                run=_step_run(tasks[step.step_id]),
                result=_mapped_result(step, mapped),
            )
            for step in workflow.steps
        ],
    )


def _mapped_result(step: WorkflowStep, mapped: set[tuple[str, str]]) -> dict[str, Any] | None:
    if step.status != StepStatus.COMPLETED:
        return None
    result = step.result or {}
    return {name: result[name] for name in result if (step.step_id, name) in mapped}


def _step_run(task: Task) -> TaskRun:
    return task_run(task).model_copy(update={"priority": task.priority or None})


def training_run(training: Training) -> TrainingRun:
    """Return the workflow input of a training."""
    return TrainingRun.model_validate(
        {
            name: getattr(training, name)
            for name in ("training_type", "entity_type", "trigger_word", "base_model_path")
        }
        | {
            "training_id": training.id,
            "source_images": training.source_images,
            "picture_objects": training.picture_objects or {},
            "transforms": [
                Transform(type=each["type"], parameters={k: each[k] for k in each if k != "type"})
                for each in training.preprocessing_transforms or []
            ],
            "captioning": Captioning.model_validate(
                {
                    "strategy": training.preprocessing_captioning_strategy,
                    "trigger_word": training.trigger_word,
                    "prompt": training.preprocessing_captioning_prompt,
                }
            ),
            "hyperparameters": _hyperparameters(training),
            "folder": training.training_folder,
            "owner": Owner(
                origin_instance=training.origin_instance,
                origin_tenant_id=training.origin_tenant_id,
            ),
        }
    )


def _hyperparameters(training: Training) -> Hyperparameters:
    """Return the hyperparameters: the columns, and the further settings of operators."""
    own = Hyperparameters.model_fields.keys() - OperatorSettings.model_fields.keys()
    columns = {name: getattr(training, name) for name in own}
    return Hyperparameters.model_validate((training.operator_settings or {}) | columns)


async def start_task(client: Client, task: Task) -> None:
    """Start the run of a single task.

    Raises:
        RunUnknownError: Temporal did not acknowledge it.
        RunRefusedError: Temporal refused it.
    """
    prompt = task.inputs.get("prompt") or task.inputs.get("upscale_prompt")
    details = [
        f"**{task.task_type}** on `{task.provider_type}`, queue `{task.queue_name}`",
        f"- task `{task.id}` of `{task.origin_instance}`",
        *([f"- prompt: {_shorten(str(prompt), 500)}"] if prompt else []),
    ]
    with _once():
        await client.start_workflow(
            RunTask.run,
            task_run(task),
            id=task.temporal_id,
            execution_timeout=TASK_EXECUTION_TIMEOUT,
            static_summary=f"{task.task_type} · {task.provider_type}",
            static_details="\n".join(details),
            search_attributes=search_attributes(
                task,
                {
                    search.KIND: "task",
                    search.TASK_TYPE: task.task_type,
                    search.PROVIDER: task.provider_type,
                },
            ),
            **start_options(task, task.priority),
        )


async def start_pipeline(
    client: Client, workflow: Workflow, tasks: dict[str, Task], *, is_resumed: bool = False
) -> None:
    """Start the run of a workflow.

    Args:
        client: Temporal.
        workflow: its row, with its steps.
        tasks: tasks by step id.
        is_resumed: an earlier run of it has closed; completed steps are not run again.

    Raises:
        RunUnknownError: Temporal did not acknowledge it.
        RunRefusedError: Temporal refused it.
    """
    policies = WorkflowIDReusePolicy
    reuse = policies.ALLOW_DUPLICATE if is_resumed else policies.REJECT_DUPLICATE
    with _once():
        await client.start_workflow(
            RunPipeline.run,
            pipeline_run(workflow, tasks),
            id=workflow.temporal_id,
            execution_timeout=PIPELINE_EXECUTION_TIMEOUT,
            static_summary=_shorten(f"{workflow.name}: {_in_order(workflow)}", 200),
            static_details="\n".join(
                [
                    f"**{workflow.name}** of `{workflow.origin_instance}`",
                    workflow.description or "",
                    *(
                        f"- `{s.step_id}`: {s.task_type}, task `{s.task_id}`"
                        for s in workflow.steps
                    ),
                ]
            ),
            search_attributes=search_attributes(workflow, {search.KIND: "workflow"}),
            versioning_override=AUTO_UPGRADE,
            **start_options(workflow, 0, reuse),
        )


def _in_order(workflow: Workflow) -> str:
    """Return the names of the steps, joined by arrows if they are a chain, else by commas."""
    names = [step.step_id for step in workflow.steps]
    waited_for = [set(step.dependencies) for step in workflow.steps]
    is_chain = all(
        before in dependencies for before, dependencies in zip(names, waited_for[1:], strict=False)
    )
    return (" → " if is_chain else ", ").join(names)


async def start_training(client: Client, training: Training) -> None:
    """Start the run of a training.

    Raises:
        RunUnknownError: Temporal did not acknowledge it.
        RunRefusedError: Temporal refused it.
    """
    trigger = _shorten(training.trigger_word, 100).replace("`", "'")
    count = len(training.source_images)
    details = [
        f"**{training.training_type}** of `{training.base_model_path}`, {training.steps} steps",
        f"- training `{training.id}` of `{training.origin_instance}`",
        f"- {training.entity_type} `{trigger}` → `{training.training_folder}`",
        f"- {count} picture" + ("" if count == 1 else "s"),
    ]
    summary = f"{training.training_type} · {training.entity_type} · {training.trigger_word}"
    with _once():
        await client.start_workflow(
            RunTraining.run,
            training_run(training),
            id=training.temporal_id,
            execution_timeout=TRAINING_EXECUTION_TIMEOUT,
            static_summary=_shorten(summary, 200),
            static_details="\n".join(details),
            search_attributes=search_attributes(
                training, {search.KIND: "training", search.TASK_TYPE: training.training_type}
            ),
            versioning_override=AUTO_UPGRADE,
            # A training's priority is 0 to 3 with 1 as normal; a task's normal priority is 0.
            **start_options(training, training.priority - 1),
        )


@contextmanager
def _once() -> Generator[None]:
    # Already started: by the reconciler, or by a try whose acknowledgement was lost.
    with suppress(WorkflowAlreadyStartedError), translated_start_errors():
        yield


def start_options(
    subject: Origin | Owner,
    priority: int,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE,
) -> dict[str, Any]:
    """Return the options of every start: one run per id, fairness key and priority."""
    return {
        "task_queue": TaskQueue.WORKFLOWS,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "id_reuse_policy": reuse,
        "rpc_timeout": START_TIMEOUT,
        "priority": Priority(
            priority_key=priority_key(priority),
            fairness_key=fairness_key(subject.origin_instance, subject.origin_tenant_id),
        ),
    }


def search_attributes(subject: Origin | Owner, own: dict[Any, str]) -> TypedSearchAttributes:
    """Return the search attributes by which the Temporal UI filters runs."""
    tenant = {search.TENANT_ID: subject.origin_tenant_id} if subject.origin_tenant_id else {}
    values = own | {search.ORIGIN_INSTANCE: subject.origin_instance} | tenant
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in values.items()])


def _shorten(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
