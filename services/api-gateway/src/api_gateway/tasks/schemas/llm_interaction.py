"""LLM_INTERACTION: a question to a language model, with images."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.task_types.llm_interaction import LLMInteractionFields


class CreateLLMInteractionTask(LLMInteractionFields, CreateTaskBase):
    """A request to a language model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "LLM_INTERACTION",
                "system_prompt": "You are a fashion editor.",
                "prompt": "Describe the garment in one sentence.",
                "input_images": ["https://images.example.com/dress.jpg"],
                "provider_type": "ai_core",
                "provider_config": {"ai_provider": "gemini", "model": "gemini-2.5-flash"},
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.LLM_INTERACTION] = TaskType.LLM_INTERACTION


class LLMInteractionTaskPublic(TaskPublicBase):
    """A question to a language model, and its answer."""

    task_type: Literal[TaskType.LLM_INTERACTION] = Field(
        default=TaskType.LLM_INTERACTION, description="Task type"
    )
    prompt: str
    system_prompt: str | None = None
    input_images: list[str] | None = None
    result_text: str | None = None
    result_json: Any | None = Field(
        default=None, description="The answer as data, if an output schema was given"
    )
    input_tokens: int | None = None
    output_tokens: int | None = None


class LLMInteractionTaskPublicUpdate(TaskUpdateBase):
    """Changeable fields of a question to a language model."""


SCHEMAS = TaskSchemas(
    CreateLLMInteractionTask, LLMInteractionTaskPublic, LLMInteractionTaskPublicUpdate
)
