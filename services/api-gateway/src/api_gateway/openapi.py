"""A command that prints the OpenAPI document: `python -m api_gateway.openapi`."""

import json
import sys

from api_gateway.app import public_api


def document_text() -> str:
    """Return the text of `docs/openapi.json`; its keys are sorted, for readable diffs."""
    return json.dumps(public_api().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
