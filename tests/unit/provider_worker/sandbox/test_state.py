"""The ledger's file, and the choice of faults."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request

from provider_worker.sandbox.faults import Canned, Fault, Faults
from provider_worker.sandbox.ledger import Charge, Entry, Ledger
from provider_worker.sandbox.ranges import ranged
from provider_worker.sandbox.settings import SandboxSettings

_ENTRY = Entry("r-1", "acme/app", "m", {"prompt": "m"}, Fault(on="work"), key="k")


def test_a_ledger_is_read_again_also_after_a_cut_line(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "ledger.jsonl"
    ledger = Ledger(file)
    ledger.post("m")
    ledger.take(replace(_ENTRY, charge=Charge("seconds", 5, 0.1)))
    ledger.cancel("r-1", is_taken=True)
    ledger.stray(field="x")
    with file.open("a") as opened:
        opened.write('{"kind": "post", "mar')
    again = Ledger(file)
    assert again.shown() == ledger.shown()
    assert again.entries["r-1"].is_cancelled
    again.post("n")
    assert [json.loads(line)["kind"] for line in file.read_text().splitlines()][-1] == "post"
    assert Ledger(file).posts == {"m": 1, "n": 1}


def test_charges_are_summed_by_provider_and_key() -> None:
    ledger = Ledger()
    for number, key in enumerate(("k", "k", "other")):
        taken = replace(_ENTRY, request_id=f"r-{number}", key=key, charge=Charge("credits", 2))
        ledger.take(taken)
    assert (ledger.charged("fal"), ledger.charged("fal", "k"), ledger.charged("fashn")) == (6, 4, 0)


def test_requests_are_counted_without_the_ids_of_work() -> None:
    ledger = Ledger()
    ledger.take(_ENTRY)
    for name in ("r-1", "r-1", "unknown"):
        ledger.count("GET", f"/acme/app/requests/{name}")
    assert ledger.requests == {
        "GET /acme/app/requests/{id}": 2,
        "GET /acme/app/requests/unknown": 1,
    }


def test_work_with_a_duration_ends_by_the_clock() -> None:
    entry = replace(_ENTRY, work=Fault(on="work", work_s=3600), taken_at=0)
    assert entry.is_done
    assert not replace(entry, taken_at=10**12, polls=50).is_done


def test_a_fault_strikes_where_it_applies_and_as_often_as_planned() -> None:
    faults = Faults()
    faults.play(
        Fault(on="submit", marker="a", wire="fashn"),
        Fault(on="submit", marker="a", times=2, status=500),
        Fault(on="picture", times=0),
    )
    assert faults.strike("submit", "b", "fal") is None
    struck = [faults.strike("submit", "xax", "fal") for _ in range(3)]
    assert [fault and fault.status for fault in struck] == [500, 500, None]
    assert faults.strike("submit", "a", "fashn") is not None
    assert all(faults.strike("media", "", "fal") for _ in range(3))
    faults.clear()
    assert faults.strike("media", "", "fal") is None


def test_a_ready_made_fault_leaves_what_the_plan_sets() -> None:
    planned = Fault(on="submit", like="out_of_credit", headers={"a": "b"}, delay_s=1)
    filled = planned.filled(Canned(429, {"error": "x"}, {"c": "d"}))
    assert (filled.status, filled.body, filled.headers) == (429, {"error": "x"}, {"a": "b"})
    assert filled.delay_s == 1


def test_an_unknown_field_of_a_fault_is_refused() -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate({"on": "submit", "statu": 1})


def test_the_longest_name_has_the_price() -> None:
    settings = SandboxSettings(prices={"fal": 1, "fal/fal-ai/kling-video": 2})
    assert settings.price_of("fal/fal-ai/flux/dev") == 1
    assert settings.price_of("fal/fal-ai/kling-video/v3/standard/text-to-video") == 2
    assert settings.price_of("fal/fal-ai/kling-videos") == 1
    assert settings.price_of("fashn/tryon-max") == 0


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=2-4", 206, b"cde"),
        ("bytes=7-", 206, b"hij"),
        ("bytes=-2", 206, b"ij"),
        ("bytes=10-", 416, b""),
        ("bytes=-", 200, b"abcdefghij"),
        ("lines=1-2", 200, b"abcdefghij"),
    ],
)
def test_a_range_of_a_file_is_sent(asked: str, status: int, body: bytes) -> None:
    scope: dict[str, Any] = {"type": "http", "headers": [(b"range", asked.encode())]}
    response = ranged(Request(scope), b"abcdefghij", "video/mp4")
    assert (response.status_code, bytes(response.body)) == (status, body)
