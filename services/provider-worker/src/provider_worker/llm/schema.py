"""A client's JSON schema of a reply, and the check of a reply against it. Pure."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

_LONGEST = 300


def mismatch(schema: Mapping[str, Any], data: object) -> str | None:
    """Return the first difference of a reply from its schema; none if it follows it."""
    validator = jsonschema_rs.validator_for(dict(schema))
    for error in validator.iter_errors(data):
        place = "/".join(str(part) for part in error.instance_path)
        return f"{place or 'the reply'}: {error.message}"[:_LONGEST]
    return None
