"""LLM_INTERACTION at each vendor of the sandbox: sent once, converted as often as needed."""

import io
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.app import WIRES
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import AiProvider
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.failures import REPLY_UNFIT
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError, PlatformError, SubmissionUnknownError, UnservedError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.llm_activities import SCHEMA, interaction_work, llm_activities
from tests.fixtures.pictures import picture
from tests.fixtures.remote_work import failure_of, take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox, open_sandbox

WIDE = "uploads/wide.png"
SERVED = [name for name in AiProvider if name in {wire.name for wire in WIRES}]
EACH = pytest.mark.parametrize("vendor", SERVED)
BUSY = {"anthropic": 529}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[OpenSandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture(scope="module")
async def llm(sandbox: OpenSandbox, store: MemoryObjectStore) -> AsyncIterator[RemoteProviders]:
    await store.put(WIDE, picture("PNG", "red", (3136, 40)), "image/png")
    async with llm_activities(sandbox, store) as built:
        yield built


async def refusal(llm: RemoteProviders, work: RemoteWork) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await take(llm, work)
    return caught.value


def posts(sandbox: OpenSandbox, work: RemoteWork) -> int:
    return sandbox.ledger.posts[work.inputs["prompt"]]


def play(sandbox: OpenSandbox, work: RemoteWork, fault: Fault) -> None:
    sandbox.play(fault.model_copy(update={"marker": work.inputs["prompt"]}))


@EACH
async def test_a_text_is_returned_with_its_tokens(
    sandbox: OpenSandbox, llm: RemoteProviders, vendor: str
) -> None:
    work = interaction_work(vendor, system_prompt="Be brief.", input_images=[WIDE])
    submitted = await take(llm, work)
    entry = sandbox.entry(work.inputs["prompt"])
    for _ in range(2):
        result = await wait_for(llm, submitted)
        assert result.results["result_text"].startswith("A red picture (1568x20).")
        assert result.results["result_json"] is None
        tokens = {unit.unit: unit.amount for unit in result.billed}
        assert tokens == {name: result.results[name] for name in ("input_tokens", "output_tokens")}
        assert sum(tokens.values()) == entry.charge.amount
        assert result.provenance is not None
        assert (result.provenance.engine, result.provenance.ignored) == (vendor, [])
    assert entry.request_id in submitted.submission.request_id
    assert posts(sandbox, work) == 1
    assert sandbox.ledger.strays == []


@EACH
async def test_a_schema_is_followed(
    sandbox: OpenSandbox, llm: RemoteProviders, vendor: str
) -> None:
    work = interaction_work(vendor, config={"output_schema": SCHEMA}, input_images=[WIDE])
    result = await wait_for(llm, await take(llm, work))
    assert result.results["result_json"].keys() == SCHEMA["properties"].keys()
    assert result.results["result_json"]["colour"] == "red"
    assert posts(sandbox, work) == 1
    assert sandbox.ledger.strays == []


async def test_a_model_in_ollamas_cloud_is_given_a_tool(
    sandbox: OpenSandbox, llm: RemoteProviders
) -> None:
    options = {"model": "gpt-oss:120b-cloud"}
    work = interaction_work("ollama", options, config={"output_schema": SCHEMA})
    result = await wait_for(llm, await take(llm, work))
    assert result.results["result_json"].keys() == SCHEMA["properties"].keys()
    assert "tools" in sandbox.entry(work.inputs["prompt"]).input


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_either_api_of_openai(
    sandbox: OpenSandbox, store: MemoryObjectStore, api: str
) -> None:
    work = interaction_work(config={"output_schema": SCHEMA}, input_images=[WIDE])
    async with llm_activities(sandbox, store, AiProvider.OPENAI, openai={"api": api}) as llm:
        result = await wait_for(llm, await take(llm, work))
    assert result.results["result_json"]["colour"] == "red"
    assert sandbox.entry(work.inputs["prompt"]).app.startswith(api)


@pytest.mark.parametrize(("vendor", "model"), [("openai", "o3"), ("anthropic", "claude-opus-4-8")])
async def test_a_temperature_that_the_model_does_not_take_is_listed(
    llm: RemoteProviders, vendor: str, model: str
) -> None:
    work = interaction_work(vendor, {"model": model})
    result = await wait_for(llm, await take(llm, work))
    assert result.provenance is not None
    assert result.provenance.ignored == ["provider_config.temperature"]


async def test_tokens_are_limited_where_the_request_does_not(
    sandbox: OpenSandbox, llm: RemoteProviders
) -> None:
    work = interaction_work("anthropic", {"max_tokens": None})
    await take(llm, work)
    assert sandbox.entry(work.inputs["prompt"]).input["max_tokens"] == 4096


@EACH
@pytest.mark.parametrize(
    ("like", "category", "told"),
    [
        ("content_policy", Category.CONTENT_POLICY, "refused the request"),
        ("content_filter", Category.CONTENT_POLICY, "refused the request"),
        ("cut_off", Category.VALIDATION, "cut off at max_tokens (4096)"),
        ("wrong_schema", Category.PROVIDER_ERROR, "does not follow the schema"),
        ("broken_json", Category.PROVIDER_ERROR, "is not JSON"),
        ("empty", Category.PROVIDER_ERROR, "contains no reply"),
    ],
)
async def test_a_reply_that_is_none_is_told_and_charged(
    sandbox: OpenSandbox,
    llm: RemoteProviders,
    vendor: str,
    like: Any,
    category: Category,
    told: str,
) -> None:
    if vendor == "ollama" and like == "content_policy":
        return  # Ollama's models have no refusal apart from their text
    work = interaction_work(vendor, config={"output_schema": SCHEMA})
    play(sandbox, work, Fault(on="work", like=like))
    error = await failure_of(llm, await take(llm, work))
    assert (error.category, error.is_final) == (category, True)
    assert (error.failure_type == REPLY_UNFIT) == (category is Category.PROVIDER_ERROR)
    assert told in str(error)
    assert [unit.unit for unit in error.billed] == ["input_tokens", "output_tokens"]
    assert posts(sandbox, work) == 1


@EACH
async def test_a_busy_vendor_refuses(
    sandbox: OpenSandbox, llm: RemoteProviders, vendor: str
) -> None:
    work = interaction_work(vendor)
    play(sandbox, work, Fault(on="submit", like="overloaded"))
    error = await refusal(llm, work)
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is Category.PROVIDER_ERROR
    assert [each.status for each in error.service_requests] == [BUSY.get(vendor, 503)]
    assert posts(sandbox, work) == 1


@pytest.mark.parametrize(
    ("vendor", "like", "category"),
    [
        ("openai", "rate_limit", Category.RATE_LIMIT),
        ("openai", "out_of_credit", Category.QUOTA_EXCEEDED),
        ("openai", "unsafe_prompt", Category.CONTENT_POLICY),
        ("anthropic", "rate_limit_seconds", Category.RATE_LIMIT),
        ("anthropic", "out_of_credit", Category.QUOTA_EXCEEDED),
        ("ollama", "rate_limit", Category.RATE_LIMIT),
    ],
)
async def test_a_refusal_has_its_category(
    sandbox: OpenSandbox, llm: RemoteProviders, vendor: str, like: Any, category: Category
) -> None:
    work = interaction_work(vendor)
    play(sandbox, work, Fault(on="submit", like=like))
    error = await refusal(llm, work)
    assert error.category is category
    assert (error.retry_after_s is not None) == (like == "rate_limit_seconds")
    assert posts(sandbox, work) == 1


@EACH
@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="submit", is_dropped=True),
        Fault(on="submit", is_dropped=True, is_taken=True),
        Fault(on="submit", is_cut=True, is_taken=True),
        Fault(on="submit", status=502, raw="<html>"),
        Fault(on="submit", status=200, raw="<html>"),
        Fault(on="submit", pad_bytes=17 * 2**20),
    ],
    ids=lambda fault: str(fault.model_dump(exclude_defaults=True, exclude={"on"})),
)
async def test_a_lost_or_unreadable_response_is_unknown_and_final(
    sandbox: OpenSandbox, llm: RemoteProviders, vendor: str, fault: Fault
) -> None:
    work = interaction_work(vendor)
    play(sandbox, work, fault)
    assert isinstance(await refusal(llm, work), SubmissionUnknownError)
    assert isinstance(await refusal(llm, work), SubmissionUnknownError)
    assert posts(sandbox, work) == 1


@EACH
@pytest.mark.parametrize(
    "fault",
    [Fault(on="submit", delay_s=2), Fault(on="submit", bytes_per_s=60)],
    ids=["late", "slow body"],
)
async def test_a_late_response_is_unknown_and_final(
    sandbox: OpenSandbox, store: MemoryObjectStore, vendor: str, fault: Fault
) -> None:
    work = interaction_work(vendor)
    play(sandbox, work, fault)
    async with llm_activities(sandbox, store, AiProvider(vendor), timeout_s=0.4) as llm:
        assert isinstance(await refusal(llm, work), SubmissionUnknownError)
    assert posts(sandbox, work) == 1


async def test_ollama_needs_no_key(sandbox: OpenSandbox, store: MemoryObjectStore) -> None:
    async with llm_activities(sandbox, store, AiProvider.OLLAMA, ollama={"key": ""}) as llm:
        result = await wait_for(llm, await take(llm, interaction_work("ollama")))
    assert result.results["result_text"]


async def test_a_vendor_without_credentials_is_waited_for(
    sandbox: OpenSandbox, store: MemoryObjectStore
) -> None:
    work = interaction_work("anthropic")
    async with llm_activities(sandbox, store, AiProvider.OLLAMA) as llm:
        for is_repeated in (False, True):  # nothing is decided: another worker may have the key
            again = work.model_copy(update={"is_repeated": is_repeated})
            error = await refusal(llm, again)
            assert isinstance(error, UnservedError)
            assert "credentials for Anthropic" in str(error)
    async with llm_activities(sandbox, store) as llm:
        assert (await wait_for(llm, await take(llm, work))).results["result_text"]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_wrong_key_is_told_and_hidden(store: MemoryObjectStore, vendor: str) -> None:
    async with open_sandbox(keys=["other"]) as sandbox, llm_activities(sandbox, store) as llm:
        error = await refusal(llm, interaction_work(vendor))
    assert error.category is Category.AUTHENTICATION
    assert KEY not in str(error)


@EACH
async def test_a_quoted_key_is_in_nothing_that_is_kept(
    sandbox: OpenSandbox, store: MemoryObjectStore, llm: RemoteProviders, vendor: str
) -> None:
    quoted = f"my key is {KEY}"
    work = interaction_work(vendor, prompt=quoted)
    submitted = await take(llm, work)
    result = await wait_for(llm, submitted)
    assert KEY not in f"{submitted.submission} {result}"
    kept = [content for key, (content, _) in store.objects.items() if str(work.task_id) in key]
    assert kept
    assert all(KEY.encode() not in content for content in kept)


@pytest.mark.parametrize(
    ("options", "inputs", "told"),
    [
        ({"model": "m" * 201}, {}, "provider_config.model"),
        ({"temperature": 3}, {}, "temperature"),
        ({}, {"config": {"output_schema": []}}, "config.output_schema"),
        ({}, {"config": {"output_schema": {"type": "object", "patternProperties": {"[": {}}}}},
         "no valid JSON schema"),
        ({}, {"input_images": [WIDE] * 21}, "at most 20"),
        ({}, {"input_images": ["uploads/gone.png"]}, "there is no object"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    sandbox: OpenSandbox, llm: RemoteProviders, options: dict[str, Any], inputs: dict[str, Any],
    told: str,
) -> None:  # fmt: skip
    work = interaction_work("openai", options, **inputs)
    error = await refusal(llm, work)
    assert error.category is InvalidInputError.category
    assert re.search(re.escape(told), str(error))
    assert posts(sandbox, work) == 0


async def test_finished_work_is_not_withdrawn(sandbox: OpenSandbox, llm: RemoteProviders) -> None:
    submitted = await take(llm, interaction_work())
    found = await ActivityEnvironment().run(llm.withdraw_work, submitted)
    assert not found.is_withdrawn
    assert "charged" in found.message


async def test_a_transparent_picture_is_shown_on_white(
    sandbox: OpenSandbox, store: MemoryObjectStore, llm: RemoteProviders
) -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(clear, "PNG")
    await store.put("uploads/clear.png", clear.getvalue(), "image/png")
    work = interaction_work(input_images=["uploads/clear.png"])
    result = await wait_for(llm, await take(llm, work))
    assert result.results["result_text"].startswith("A white picture (30x30).")
