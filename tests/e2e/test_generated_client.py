"""A client can be generated from the document, and works."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from local_stack.example import example_workflow
from tests.fixtures.generated_client import DOCUMENT, GeneratedClient, generate_client
from tests.fixtures.platform import Platform


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> GeneratedClient:
    return await generate_client(tmp_path_factory.mktemp("client"))


def _modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


async def test_every_operation_is_generated(client: GeneratedClient) -> None:
    operations = [
        (operation["tags"][0].lower(), operation["operationId"])
        for path in json.loads(DOCUMENT.read_text())["paths"].values()
        for operation in path.values()
    ]

    generated = {
        (tag.name, module)
        for tag in (client.package / "api").iterdir()
        if tag.is_dir()
        for module in _modules(tag)
    }

    assert generated == set(operations)
    assert len(operations) >= 44


async def test_every_model_is_generated(client: GeneratedClient) -> None:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    exported = (client.package / "models" / "__init__.py").read_text()
    generated = {name.lower() for name in re.findall(r'^    "(\w+)",$', exported, re.MULTILINE)}

    missing = {name for name in schemas if name.replace("_", "").lower() not in generated}

    # A union of other schemas becomes a type hint in Python, not a class.
    assert missing == {
        name for name, schema in schemas.items() if schema.keys() & {"oneOf", "anyOf"}
    }
    assert len(schemas) >= 113


async def test_generated_client_creates_a_picture_fetches_it_and_cleans_up(
    client: GeneratedClient, platform: Platform
) -> None:
    printed = await client.run(
        "make_picture.py",
        platform.stack.endpoints.gateway_url,
        api_key=platform.stack.api_key,
        given=example_workflow(seed=3),
    )

    seen = json.loads(printed)
    path = seen["output"][1]
    assert seen["status"] == "COMPLETED"
    assert seen["task"] == ["REFINE", "COMPLETED", path]
    assert seen["inputs"] == ["base_image"]
    assert seen["output"] == ["result_image", path, "image"]
    assert seen["presigned_sha256"] == seen["api_sha256"] != hashlib.sha256(b"").hexdigest()
    assert (seen["cleaned_tasks"], seen["is_deleted"], seen["is_gone"]) == (2, True, True)
    assert seen["workflow_id"] not in seen["listed"]
    assert not await platform.objects.list(f"{path.rsplit('/', 1)[0]}/")
