"""What clients send to a resume, and what a dry run tells of one."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api_gateway.request_fields import JsonObject, refuse_unstorable
from api_gateway.workflows.schemas import MAX_STEPS, StepId
from shared.contracts.request_model import RequestModel


class StepOverride(RequestModel):
    """What a step runs with instead, from now on."""

    config: JsonObject = Field(
        description="Fields of the step's config, in place of those that it has; null takes one out"
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
    """Why a resume would run a step."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its run ended while it was under way."""
    NOT_RUN_YET = "not_run_yet"


class ReusedStep(BaseModel):
    """A completed step: its result is used again, and it does not run."""

    step_id: str
    task_id: UUID


class StepToRun(BaseModel):
    """A step that would run."""

    step_id: str
    reason: ResumeReason
    config: JsonObject | None = Field(
        default=None,
        exclude_if=lambda config: config is None,
        description="The step's config with its overrides; a picture that is sent along is shown"
        " as `sha256:` and its digest. Left out where nothing is overridden",
    )


class ResumePlan(BaseModel):
    """What a resume would do; each step is in one of the lists, in topological order."""

    workflow_id: UUID
    reused: list[ReusedStep]
    run: list[StepToRun]
