"""FASHN's official client drives the sandbox."""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import fashn
import httpx
import pytest
from PIL import Image

from provider_worker.sandbox.faults import Fault
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox

_PICTURE = "data:image/png;base64," + base64.b64encode(picture(size=(40, 60))).decode()
_V16: dict[str, Any] = {"model_image": _PICTURE, "garment_image": _PICTURE}
_MAX: dict[str, Any] = {"model_image": _PICTURE, "product_image": _PICTURE}


@pytest.fixture
async def client(sandbox: OpenSandbox) -> AsyncIterator[fashn.AsyncFashn]:
    http = httpx.AsyncClient(trust_env=False, verify=False)
    async with fashn.AsyncFashn(
        api_key=sandbox.key, base_url=sandbox.url, max_retries=0, http_client=http
    ) as opened:
        yield opened


async def _ended(client: fashn.AsyncFashn, **inputs: Any) -> tuple[Any, str | None]:
    """Run a prediction to its end; return its status and the header of the credits."""
    name = "tryon-max" if "product_image" in inputs else "tryon-v1.6"
    run = await client.predictions.run(model_name=name, inputs=inputs)  # type: ignore[call-overload]
    for _ in range(5):
        raw = await client.predictions.with_raw_response.status(run.id)
        status: Any = await raw.parse()
        if status.status not in ("in_queue", "processing"):
            return status, raw.headers.get("x-fashn-credits-used")
    raise AssertionError(status)


async def test_a_try_on_has_the_models_size(
    sandbox: OpenSandbox, client: fashn.AsyncFashn, http: httpx.AsyncClient
) -> None:
    status, credits_used = await _ended(client, **_V16, seed=42, num_samples=2)
    assert (status.status, len(status.output), credits_used) == ("completed", 2, "2")
    content = (await http.get(status.output[0])).content
    assert Image.open(io.BytesIO(content)).size == (864, 1296)
    assert sandbox.ledger.posts == {"42": 1}


async def test_tryon_max_follows_ratio_and_resolution(
    sandbox: OpenSandbox, client: fashn.AsyncFashn
) -> None:
    given = {"aspect_ratio": "1:1", "resolution": "2k", "prompt": "tuck in", "return_base64": True}
    status, credits_used = await _ended(client, **_MAX, **given)
    assert credits_used == "2"
    head, _, content = status.output[0].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (2048, 2048)
    headers = {"authorization": f"Bearer {sandbox.key}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, verify=False) as http:
        left = (await http.get(f"{sandbox.url}/v1/credits")).json()
    assert left["credits"]["total"] == 100_000 - 2


async def test_a_stray_field_is_refused_in_fashns_way(
    sandbox: OpenSandbox, client: fashn.AsyncFashn
) -> None:
    with pytest.raises(fashn.BadRequestError, match=r"inputs\.prompt") as caught:
        await _ended(client, **_V16, prompt="tuck in")
    assert caught.value.body["error"] == "BadRequest"  # type: ignore[index]
    assert [stray["field"] for stray in sandbox.ledger.strays] == ["inputs.prompt"]
    assert not sandbox.ledger.entries


@pytest.mark.parametrize(
    ("like", "error"),
    [
        ("rate_limit", "RateLimitExceeded"),
        ("concurrency", "ConcurrencyLimitExceeded"),
        ("out_of_credit", "OutOfCredits"),
    ],
)
async def test_a_429_has_its_reason(
    sandbox: OpenSandbox, client: fashn.AsyncFashn, like: Any, error: str
) -> None:
    sandbox.play(Fault(on="submit", like=like))
    with pytest.raises(fashn.RateLimitError) as caught:
        await _ended(client, **_V16, seed=1)
    assert caught.value.body["error"] == error  # type: ignore[index]
    assert (sandbox.ledger.posts, sandbox.ledger.submits) == ({"1": 1}, {})


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Fault(on="work", like="content_policy"), "ContentModerationError"),
        (Fault(on="work", error_type="PoseError", error="no pose"), "PoseError"),
        (Fault(on="work", error="broken"), "PipelineError"),
    ],
)
async def test_a_failed_prediction_names_its_reason(
    sandbox: OpenSandbox, client: fashn.AsyncFashn, fault: Fault, name: str
) -> None:
    sandbox.play(fault)
    status, _ = await _ended(client, **_V16)
    assert (status.status, status.error.name) == ("failed", name)


async def test_a_prediction_may_time_out(sandbox: OpenSandbox, client: fashn.AsyncFashn) -> None:
    sandbox.play(Fault(on="work", error_type="time_out"))
    status, _ = await _ended(client, **_V16)
    assert status.status == "time_out"


@pytest.mark.parametrize("image", ["AAAA", "data:image/png;base64,AAAA", _PICTURE[22:]])
async def test_an_unreadable_picture_fails_the_prediction(
    client: fashn.AsyncFashn, image: str
) -> None:
    status, _ = await _ended(client, model_image=image, garment_image=_PICTURE)
    assert (status.status, status.error.name) == ("failed", "ImageLoadError")


async def test_unknown_predictions_and_keys_are_refused(
    sandbox: OpenSandbox, client: fashn.AsyncFashn
) -> None:
    with pytest.raises(fashn.NotFoundError):
        await client.predictions.status("gone")
    with pytest.raises(fashn.AuthenticationError):
        await client.with_options(api_key="other").predictions.status("gone")
