"""A client's JSON schema of a reply, and the check of a reply against it. Pure."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from shared.contracts.reply_schema import schema_fault
from shared.contracts.untrusted import RESULT, UntrustedValueError, admit
from shared.errors import InvalidInputError

OUTPUT_SCHEMA = "output_schema"
"""Key of `config` with the schema."""
_LONGEST = 300


def output_schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema that a task's `config` asks the reply to follow; none if it has none.

    Raises:
        InvalidInputError: it is no JSON schema of an object, or exceeds the limits.
    """
    schema = config.get(OUTPUT_SCHEMA)
    if schema is None:
        return None
    if fault := schema_fault(schema) or _fault(schema):
        raise InvalidInputError(f"config.{OUTPUT_SCHEMA} {fault}")
    return schema


def mismatch(schema: Mapping[str, Any], data: object) -> str | None:
    """Return the first difference of a reply from its schema; none if it follows it.

    Data that cannot be stored as a result differs from every schema.
    """
    try:
        admit(data, RESULT)
    except UntrustedValueError as error:
        return f"it cannot be stored: {error}"
    for error in _validator(schema).iter_errors(data):
        place = "/".join(str(part) for part in error.instance_path)
        return f"{place or 'the reply'}: {error.message}"[:_LONGEST]
    return None


def read_reply(schema: Mapping[str, Any], text: str) -> Any:
    """Return a reply's text as data that follows its schema.

    Raises:
        ValueError: it is not JSON, or does not follow the schema; the message says which.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if fault := mismatch(schema, data):
        raise ValueError(f"it does not follow the schema: {fault}")
    return data


def _fault(schema: Mapping[str, Any]) -> str | None:
    try:
        _validator(schema)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(str(part) for part in error.instance_path)
        return f"is no valid JSON schema: {place or 'its top'}: {error.message}"[:_LONGEST]
    except (ValueError, jsonschema_rs.ReferencingError):
        return "is no valid JSON schema"
    return None


def _validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Return the validator of a schema. By default it would fetch what a schema refers to."""
    return jsonschema_rs.validator_for(dict(schema), offline=True)
