"""Capabilities that request fields need of a provider. Each task type's row states its own."""

from dataclasses import dataclass

from shared.contracts.enums import ProviderCapability as Cap

LORA_FIELDS = (
    "subject_model_path",
    "product_model_path",
    "style_model_path",
    "product2_model_path",
)


def lora_weight_field(model_field: str) -> str:
    """Return the name of the weight field that belongs to a LoRA path field."""
    return model_field.replace("_model_path", "_lora_weight")


LORA_OBJECTS = "lora_objects"
"""The input with the object key of each LoRA, by field. The gateway resolves names when the task is
created, so that replacing a LoRA later does not change the task."""


@dataclass(frozen=True)
class Need:
    """The capabilities that one field needs: any one of them is enough."""

    field: str
    """Name of the field; of a key in `config`, with a dot between."""
    any_of: frozenset[Cap]
