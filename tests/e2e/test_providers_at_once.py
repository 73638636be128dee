"""Tasks of providers that respond with the result, through the whole platform, at the sandbox."""

import io
import json
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from PIL import Image

from inference_worker.checks.ssim import Ssim
from local_stack.task_examples import portrait_of
from shared.contracts.enums import AnswerMode
from shared.contracts.providers import PROVIDERS
from tests.fixtures.at_once_cases import AT_ONCE, BASE_SIZE, SCHEMA, Shown, served
from tests.fixtures.pictures import picture
from tests.fixtures.provider_platform import ProviderPlatform, data_url, golden_body, received_body

_TEXTS = [name for name, case in AT_ONCE.items() if case.size is None]
_PICTURES = [name for name, case in AT_ONCE.items() if case.size is not None]


@dataclass(frozen=True)
class Run:
    """A task that has ended, as the API, monitoring and the sandbox know it."""

    record: dict[str, Any]
    monitored: dict[str, Any]
    entry: dict[str, Any]
    charge: dict[str, Any]


@pytest.fixture(scope="module")
def base() -> Image.Image:
    return portrait_of(512).resize(BASE_SIZE)


@pytest.fixture(scope="module")
async def runs(providers: ProviderPlatform, base: Image.Image) -> dict[str, Run]:
    """Create a task of each case, and wait for all of them."""
    file = io.BytesIO()
    base.save(file, "PNG")
    shown = Shown(data_url(file.getvalue()), data_url(picture(size=(128, 128))))
    before = await providers.ledger()
    created = {
        name: await providers.create(**case.body(shown), provider_type=case.provider)
        for name, case in AT_ONCE.items()
    }
    records = {name: await providers.ended(task) for name, task in created.items()}
    failed = {name: record for name, record in records.items() if record["status"] != "COMPLETED"}
    assert not failed
    ledger = await providers.ledger()
    assert ledger["strays"] == before["strays"]
    known = {entry["request_id"] for entry in before["entries"]}
    entries = {
        entry["marker"]: entry for entry in ledger["entries"] if entry["request_id"] not in known
    }
    charges = {charge["request_id"]: charge for charge in ledger["charges"]}
    assert len(charges) - len(known) == len(entries) == len(AT_ONCE)
    return {
        name: Run(
            record,
            await providers.monitored(record),
            entries[record["prompt"]],
            charges[entries[record["prompt"]]["request_id"]],
        )
        for name, record in records.items()
    }


def test_every_provider_that_responds_at_once_is_shown_with_every_task_that_it_serves() -> None:
    assert served() == {
        (provider, task_type)
        for provider, row in PROVIDERS.items()
        if row.answers is AnswerMode.AT_ONCE
        for task_type in row.queues
    }


@pytest.mark.parametrize("name", _PICTURES)
async def test_the_picture_is_in_the_store_in_the_size_of_the_request(
    providers: ProviderPlatform, runs: dict[str, Run], name: str
) -> None:
    content = await providers.platform.picture(runs[name].record["result_image_path"])
    opened = Image.open(io.BytesIO(content))
    assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", AT_ONCE[name].size)


async def test_an_edit_without_changes_returns_the_base_image(
    providers: ProviderPlatform, runs: dict[str, Run], base: Image.Image
) -> None:
    path = runs["editing"].record["result_image_path"]
    edited = Image.open(io.BytesIO(await providers.platform.objects.get(path)))
    (similarity,) = Ssim(0.99).scores([np.asarray(base)], [np.asarray(edited)])
    assert similarity >= 0.99


@pytest.mark.parametrize("name", _TEXTS)
def test_the_reply_is_in_the_record(runs: dict[str, Run], name: str) -> None:
    record = runs[name].record
    if not record["config"]:
        assert "picture (896x1200, 128x128)" in record["result_text"]
        assert record["result_json"] is None
    else:
        jsonschema_rs.validate(SCHEMA, record["result_json"])
        assert json.loads(record["result_text"]) == record["result_json"]


@pytest.mark.parametrize("name", AT_ONCE)
def test_the_provider_received_the_committed_request(runs: dict[str, Run], name: str) -> None:
    assert runs[name].entry["wire"] == AT_ONCE[name].wire
    assert received_body(runs[name].entry) == golden_body(AT_ONCE[name].golden)


@pytest.mark.parametrize("name", AT_ONCE)
def test_one_task_is_one_post_and_its_tokens_are_in_the_record(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    (request,) = run.monitored["service_requests"]
    assert (request["method"], request["status"]) == ("POST", 200)
    assert (request["provider"], request["attempt"]) == (AT_ONCE[name].provider, 1)
    billed = {each["unit"]: each["amount"] for each in run.record["billed"]}
    assert billed.keys() == {"input_tokens", "output_tokens"}
    assert sum(billed.values()) == run.charge["amount"]
    assert run.monitored["billed"] == run.record["billed"]
    assert run.entry["request_id"] in run.record["service_task_id"]
    if name in _TEXTS:
        assert {unit: run.record[unit] for unit in billed} == billed


@pytest.mark.parametrize("name", AT_ONCE)
async def test_neither_record_nor_history_has_a_key_or_a_picture(
    providers: ProviderPlatform, runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    shown = json.dumps([run.record, run.monitored])
    assert providers.key not in shown
    assert "base64" not in shown
    history = await (await providers.run_of(run.record)).fetch_history()
    kept = b"".join(event.SerializeToString() for event in history.events)
    assert run.entry["request_id"].encode() in kept  # the payloads are readable
    assert providers.key.encode() not in kept
    assert len(kept) < 100_000
