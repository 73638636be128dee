"""Google's official client drives the sandbox, by its three accesses."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.genai import errors, types
from google.genai.client import Client
from google.oauth2 import service_account as accounts
from PIL import Image

from provider_worker.sandbox.faults import RETRY_S, Fault
from tests.fixtures.google_accounts import service_account
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox

_PRO, _FLASH, _TEXT = "gemini-3-pro-image", "gemini-2.5-flash-image", "gemini-3.1-pro-preview"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@asynccontextmanager
async def _open(url: str, **access: Any) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        options = types.HttpOptions(
            base_url=url,
            httpx_async_client=http,
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        yield Client(**access, http_options=options)


@pytest.fixture
async def client(sandbox: OpenSandbox) -> AsyncIterator[Client]:
    async with _open(sandbox.url, vertexai=False, api_key=sandbox.key) as opened:
        yield opened


def _contents(prompt: str = "a coat", size: tuple[int, int] | None = (40, 60)) -> Any:
    parts: list[types.Part] = [types.Part(text=prompt)]
    if size:
        content = picture(size=size)
        parts.append(types.Part.from_bytes(data=content, mime_type="image/png"))
    return types.Content(role="user", parts=parts)


async def _drawn(client: Client, model: str = _PRO, **config: Any) -> Image.Image:
    chosen = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"], **config)
    found = await client.aio.models.generate_content(
        model=model, contents=_contents(), config=chosen
    )
    (part,) = [each for each in found.parts or [] if not each.thought]
    assert part.inline_data is not None
    assert part.inline_data.data is not None
    return Image.open(io.BytesIO(part.inline_data.data))


@pytest.mark.parametrize(
    ("model", "shape", "size"),
    [
        (_PRO, {"aspect_ratio": "3:4", "image_size": "2K"}, (1792, 2400)),
        (_PRO, {"aspect_ratio": "21:9"}, (1584, 672)),
        (_PRO, {}, (848, 1264)),  # the source's
        (_FLASH, {"aspect_ratio": "3:4"}, (864, 1184)),
        ("gemini-3.1-flash-image", {"aspect_ratio": "1:4", "image_size": "512"}, (256, 1032)),
        ("gemini-3.1-flash-lite-image", {"aspect_ratio": "16:9", "image_size": "1K"}, (1376, 768)),
    ],
)
async def test_a_picture_has_the_models_own_size(
    client: Client, model: str, shape: dict[str, str], size: tuple[int, int]
) -> None:
    assert (await _drawn(client, model, image_config=types.ImageConfig(**shape))).size == size


async def test_a_picture_costs_the_tokens_that_the_response_names(
    sandbox: OpenSandbox, client: Client
) -> None:
    config = types.GenerateContentConfig(seed=1000)
    found = await client.aio.models.generate_content(
        model=_PRO, contents=_contents(), config=config
    )
    assert found.usage_metadata is not None
    assert found.usage_metadata.total_token_count == sandbox.ledger.charged("gemini")
    assert found.candidates is not None
    assert found.candidates[0].finish_reason is types.FinishReason.STOP
    assert found.model_version == _PRO
    assert found.response_id == sandbox.entry("a coat").request_id


async def test_a_text_model_follows_a_schema(sandbox: OpenSandbox, client: Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=schema, max_output_tokens=100
    )
    found = await client.aio.models.generate_content(
        model=_TEXT, contents=_contents(), config=config
    )
    assert isinstance(found.parsed["n"], int)  # type: ignore[index,call-overload]
    assert sandbox.ledger.strays == []


async def test_a_text_ends_at_its_limit_of_tokens(client: Client) -> None:
    config = types.GenerateContentConfig(max_output_tokens=2)
    found = await client.aio.models.generate_content(
        model=_TEXT, contents=_contents(), config=config
    )
    assert found.candidates is not None
    assert found.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS


async def test_vertex_express_takes_the_key(sandbox: OpenSandbox) -> None:
    async with _open(sandbox.url, vertexai=True, api_key=sandbox.key) as client:
        await _drawn(client)
    path = f"/v1beta1/publishers/google/models/{_PRO}:generateContent"
    assert sandbox.ledger.requests == {f"POST {path}": 1}


async def test_a_vertex_project_takes_the_token_of_a_service_account(
    sandbox: OpenSandbox, tmp_path: Path
) -> None:
    file = service_account(tmp_path, sandbox.url)
    credentials = accounts.Credentials.from_service_account_file(str(file), scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    access = {"vertexai": True, "project": "p", "location": "global", "credentials": credentials}
    async with _open(sandbox.url, **access) as client:
        await _drawn(client)
    path = f"/v1beta1/projects/p/locations/global/publishers/google/models/{_PRO}:generateContent"
    assert sandbox.ledger.requests == {"POST /token": 1, f"POST {path}": 1}


@pytest.mark.parametrize(
    ("model", "config", "told"),
    [
        (_FLASH, {"image_config": {"image_size": "1K"}}, "imageSize"),
        ("gemini-3.1-flash-lite-image", {"image_config": {"image_size": "2K"}}, "imageSize"),
        (_PRO, {"image_config": {"aspect_ratio": "7:3"}}, "aspectRatio"),
        (_PRO, {"temperature": 3}, "temperature"),
        (_TEXT, {"response_modalities": ["IMAGE"]}, "responseModalities"),
        ("imagen-5", {}, "not found"),
    ],
)
async def test_a_refused_request_costs_nothing(
    sandbox: OpenSandbox, client: Client, model: str, config: dict[str, Any], told: str
) -> None:
    with pytest.raises(errors.ClientError, match=told):
        await client.aio.models.generate_content(
            model=model, contents=_contents(), config=types.GenerateContentConfig(**config)
        )
    assert sandbox.ledger.charged("gemini") == 0


async def test_fields_that_nobody_reads_are_refused_and_listed(
    sandbox: OpenSandbox, http: httpx.AsyncClient
) -> None:
    body = {
        "contents": [{"parts": [{"text": "x", "txet": "y"}]}],
        "generationConfig": {"imageConfig": {"aspect_ratio": "1:1"}},
    }
    path = f"/v1beta/models/{_PRO}:generateContent"
    response = await http.post(path, json=body, headers={"x-goog-api-key": sandbox.key})
    assert response.status_code == 400
    assert "Cannot find field" in response.json()["error"]["message"]
    assert {stray["field"] for stray in sandbox.ledger.strays} == {
        "contents.0.parts.0.txet",
        "generationConfig.imageConfig.aspect_ratio",
    }


@pytest.mark.parametrize(
    ("headers", "path", "status", "word"),
    [
        ({"x-goog-api-key": "wrong"}, "/v1beta", 400, "API_KEY_INVALID"),
        ({}, "/v1beta1/publishers/google", 400, "API_KEY_INVALID"),
        ({"x-goog-api-key": "(key)"}, "/v1beta1/projects/p/locations/l/publishers/google", 401,
         "UNAUTHENTICATED"),
        ({"authorization": "Bearer (key)"}, "/v1beta", 400, "API_KEY_INVALID"),
    ],
)  # fmt: skip
async def test_each_access_takes_its_own_kind_of_key(
    sandbox: OpenSandbox, headers: dict[str, str], path: str, status: int, word: str
) -> None:
    given = {name: value.replace("(key)", sandbox.key) for name, value in headers.items()}
    async with httpx.AsyncClient(trust_env=False, verify=False) as plain:
        response = await plain.post(
            f"{sandbox.url}{path}/models/{_PRO}:generateContent", json={}, headers=given
        )
    assert response.status_code == status
    assert word in response.text


@pytest.mark.parametrize("name", ["mimeType", "mime_type"])
async def test_a_picture_may_name_its_type_in_either_spelling(
    sandbox: OpenSandbox, http: httpx.AsyncClient, name: str
) -> None:
    data = base64.urlsafe_b64encode(picture(size=(40, 60))).decode()
    blob = {name: "image/png", "data": data}
    body = {"contents": [{"parts": [{"text": "x"}, {"inlineData": blob}]}]}
    path = f"/v1beta/models/{_FLASH}:generateContent"
    response = await http.post(path, json=body, headers={"x-goog-api-key": sandbox.key})
    assert response.status_code == 200
    assert sandbox.ledger.strays == []


async def test_a_picture_that_is_none_is_refused(
    sandbox: OpenSandbox, http: httpx.AsyncClient
) -> None:
    blob = {"mimeType": "image/png", "data": "bm8gcGljdHVyZQ=="}
    body = {"contents": [{"parts": [{"inlineData": blob}]}]}
    path = f"/v1beta/models/{_PRO}:generateContent"
    response = await http.post(path, json=body, headers={"x-goog-api-key": sandbox.key})
    assert response.status_code == 400
    assert sandbox.ledger.charged("gemini") == 0


async def test_the_key_may_be_in_the_query(sandbox: OpenSandbox) -> None:
    body = {"contents": [{"parts": [{"text": "x"}]}]}
    async with httpx.AsyncClient(trust_env=False, verify=False) as plain:
        response = await plain.post(
            f"{sandbox.url}/v1beta/models/{_TEXT}:generateContent?key={sandbox.key}", json=body
        )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("like", "reason"),
    [
        ("no_image", types.FinishReason.NO_IMAGE),
        ("image_safety", types.FinishReason.IMAGE_SAFETY),
        ("cut_off", types.FinishReason.MAX_TOKENS),
        ("text_only", types.FinishReason.STOP),
    ],
)
async def test_a_failed_request_has_its_reason(
    sandbox: OpenSandbox, client: Client, like: Any, reason: types.FinishReason
) -> None:
    sandbox.play(Fault(on="work", like=like))
    found = await client.aio.models.generate_content(model=_PRO, contents=_contents())
    assert found.candidates is not None
    assert found.candidates[0].finish_reason is reason
    assert not any(part.inline_data for part in found.parts or [])


async def test_a_limit_names_its_quota_and_the_wait(sandbox: OpenSandbox, client: Client) -> None:
    sandbox.play(Fault(on="submit", like="retry_info"))
    with pytest.raises(errors.ClientError) as caught:
        await client.aio.models.generate_content(model=_PRO, contents=_contents())
    assert caught.value.code == 429
    assert f"{RETRY_S}s" in str(caught.value.details)  # type: ignore[unused-ignore]


async def test_the_client_continues_by_itself_unless_it_is_told_not_to(
    sandbox: OpenSandbox, client: Client
) -> None:
    sandbox.play(Fault(on="work", like="continuation", times=0))
    found = await client.aio.models.generate_content(
        model=_PRO,
        contents=_contents(),
        config=types.GenerateContentConfig(automatic_continuation=False),
    )
    assert found.candidates is not None
    assert found.candidates[0].finish_reason is types.FinishReason.CONTINUATION
    assert sandbox.ledger.posts == {"a coat": 1}
