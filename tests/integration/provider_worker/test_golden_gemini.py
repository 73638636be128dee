"""The requests to Gemini, as committed: from Google's own client, through its three accesses."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.enums import TaskType
from shared.contracts.submissions import RemoteWork
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.google_accounts import service_account
from tests.fixtures.provider_adapters import GARMENT, PERSON, gemini_work, store_inputs
from tests.fixtures.provider_adapters import vertex_activities as activities_of
from tests.fixtures.remote_work import take
from tests.fixtures.sandbox import OpenSandbox

_GOLDEN = Path(__file__).parents[2] / "golden/providers/gemini"
_PROMPT = {"prompt": "replace the jacket by the second picture's"}
_RETOUCHER = {"system_instructions": "You are a fashion retoucher."}
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["colour", "n"],
}
_EDIT = gemini_work(provider_config=_RETOUCHER, **_PROMPT)
_JUDGE = {"system_prompt": "You judge fashion photographs."}


def _without_pictures(given: Any) -> Any:
    if isinstance(given, dict):
        return {
            name: "(picture)" if name == "data" else _without_pictures(each)
            for name, each in given.items()
        }
    return [_without_pictures(each) for each in given] if isinstance(given, list) else given


async def _check(
    sandbox: OpenSandbox,
    objects: MemoryObjectStore,
    name: str,
    work: RemoteWork,
    settings: Mapping[str, Any],
) -> None:
    golden = json.loads((_GOLDEN / f"{name}.json").read_text())
    await store_inputs(objects)
    async with activities_of(sandbox, objects, **settings) as activities:
        await take(activities, work)
    (entry,) = sandbox.ledger.entries.values()
    assert _without_pictures(entry.input) == golden["body"]
    posts = {line: count for line, count in sandbox.ledger.requests.items() if "/token" not in line}
    assert posts == {f"{golden['method']} {golden['path']}": 1}
    assert sandbox.ledger.strays == []


@pytest.mark.parametrize(
    ("name", "work", "settings"),
    [
        ("edit-api-key", _EDIT, {}),
        ("edit-vertex-express", _EDIT, {"is_express": True}),
        (
            "edit-every-option",
            gemini_work(
                provider_config={
                    "model": "gemini-2.5-flash-image",
                    "aspect_ratio": "21:9",
                    "image_size": "1K",
                    "temperature": 0.5,
                    "top_p": 0.25,
                    "system_instructions": "Be brief.",
                },
                seed=2**31 + 5,
                reference_images=None,
                **_PROMPT,
            ),
            {},
        ),
        (
            "generation",
            gemini_work(
                TaskType.GENERATION,
                {"image_size": "4K"},
                reference_image_url=PERSON,
                width=1920,
                height=1080,
                **_PROMPT,
            ),
            {"system_instructions": ""},
        ),
        (
            "text",
            gemini_work(
                TaskType.LLM_INTERACTION,
                {"temperature": 0},
                prompt="Which framing?",
                input_images=[GARMENT],
                **_JUDGE,
            ),
            {},
        ),
        (
            "text-with-schema",
            gemini_work(
                TaskType.LLM_INTERACTION,
                prompt="Which colour?",
                config={"output_schema": _SCHEMA},
                **_JUDGE,
            ),
            {},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_request_is_as_committed(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    name: str,
    work: RemoteWork,
    settings: dict[str, Any],
) -> None:
    await _check(fal, objects, name, work, settings)


async def test_project_is_called_with_a_token_of_its_service_account(
    fal: OpenSandbox, objects: MemoryObjectStore, tmp_path: Path
) -> None:
    file = service_account(tmp_path, fal.url)
    access = {"key": "", "project": "our-project", "credentials_file": file}
    await _check(fal, objects, "edit-vertex-project", _EDIT, access)
    assert fal.ledger.requests["POST /token"] == 1


async def test_project_may_use_the_credentials_of_the_machine(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = service_account(tmp_path, fal.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    await _check(fal, objects, "edit-vertex-project", _EDIT, {"key": "", "project": "our-project"})


@pytest.mark.parametrize(
    ("name", "settings"),
    [("edit-api-key", {}), ("edit-vertex-express", {"is_express": True})],
)
async def test_the_environment_of_googles_client_changes_nothing(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    settings: dict[str, Any],
) -> None:
    for variable, value in {
        "GOOGLE_API_KEY": "another-key",
        "GOOGLE_CLOUD_PROJECT": "another-project",
        "GOOGLE_CLOUD_LOCATION": "europe-west4",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_HTTP_CLIENT": "httpx2",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(variable, value)
    await _check(fal, objects, name, _EDIT, settings)
