"""Schemas of a resume and of its dry run."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api_gateway.request_fields import JsonObject, refuse_unstorable
from api_gateway.workflows.schemas import MAX_STEPS, StepId
from shared.contracts.request_model import RequestModel


class StepOverride(RequestModel):
    """The new config of a step."""

    config: JsonObject = Field(
        description="Fields that replace those of the step's config; null removes one"
    )


class ResumeWorkflow(RequestModel):
    """Schema for resuming a workflow with changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"steps": {"refine": {"config": {"upscale_prompt": "a linen jacket"}}}}
        }
    )

    _storable = model_validator(mode="before")(refuse_unstorable)

    steps: dict[StepId, StepOverride] = Field(
        default={},
        max_length=MAX_STEPS,
        description="By step ID; only steps that run again",
    )


UNCHANGED = ResumeWorkflow()


class ResumeReason(StrEnum):
    """The reason why a resume runs a step."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The run ended while the step was running."""
    NOT_RUN_YET = "not_run_yet"


class ReusedStep(BaseModel):
    """A completed step, whose result is kept."""

    step_id: str
    task_id: UUID


class StepToRun(BaseModel):
    """A step that would run."""

    step_id: str
    reason: ResumeReason
    config: JsonObject | None = Field(
        default=None,
        exclude_if=lambda config: config is None,
        description="The step's config with its overrides; a new image is shown as `sha256:` and"
        " its digest. Left out if nothing is overridden",
    )


class ResumePlan(BaseModel):
    """The effect of a resume; each step is in one of the lists, in topological order."""

    workflow_id: UUID
    reused: list[ReusedStep]
    run: list[StepToRun]
