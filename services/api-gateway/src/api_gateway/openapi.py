"""Prints the OpenAPI document; needs no other part. `python -m api_gateway.openapi`."""

import json
import sys

from api_gateway.app import public_api


def document_text() -> str:
    """The document as `docs/openapi.json` holds it: keys in order, so that changes read well."""
    return json.dumps(public_api().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
