"""The demands of request fields on a provider; each task type's row states its own."""

from dataclasses import dataclass

from shared.contracts.enums import ProviderCapability as Cap

LORA_FIELDS = (
    "subject_model_path",
    "product_model_path",
    "style_model_path",
    "product2_model_path",
)


def lora_weight_field(model_field: str) -> str:
    """The field that says how strongly the LoRA of a field acts."""
    return model_field.replace("_model_path", "_lora_weight")


LORA_OBJECTS = "lora_objects"
"""The input that says which object each of a task's LoRAs is, by field: the gateway resolves names
when the task is created, so that a LoRA that is replaced later changes no task."""


@dataclass(frozen=True)
class Need:
    """One field's demand: any of the capabilities satisfies it."""

    field: str
    any_of: frozenset[Cap]
