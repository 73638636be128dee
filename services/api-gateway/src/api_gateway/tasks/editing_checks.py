"""Which edits the local model can do."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from api_gateway.errors import Fault
from shared.contracts.editing import EditingConfig
from shared.contracts.error_text import describe_fault
from shared.settings import ModelSettings


def check_editing(fields: Mapping[str, Any], model: ModelSettings) -> list[Fault]:
    """What is wrong with an EDITING that our own workers may do.

    Args:
        fields: the type's own fields as given, `config` included; what an earlier step will give
            is the string "mapped", and its worker counts it.
        model: how many references it looks at.
    """
    return _check_references(fields.get("reference_images"), model) + _check_config(
        fields["config"]
    )


def _check_references(references: Any, model: ModelSettings) -> list[Fault]:
    most = model.max_references
    if not references or (most and references == "mapped"):
        return []
    if most == 0:
        message = "the local model edits by prompt alone; leave this field out"
    elif len(references) > most:
        message = f"has {len(references)} pictures; the local model looks at {most} at most"
    else:
        return []
    return [Fault(("reference_images",), message)]


def _check_config(config: Mapping[str, Any]) -> list[Fault]:
    try:
        EditingConfig.model_validate(config)
    except ValidationError as error:
        return [Fault(("config", *f["loc"]), describe_fault(f)) for f in error.errors()]
    return []
