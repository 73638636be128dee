"""Faults that fal alone knows; `test_fault_table` has those of every provider."""

from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.failures import SUBMISSION_UNKNOWN
from shared.errors import PlatformError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.remote_work import (
    failure_of,
    fal_activities,
    generation_work,
    marker_of,
    take,
    wait_for,
)
from tests.fixtures.sandbox import KEY, OpenSandbox

_DETAIL = {"detail": "no"}


async def _refused(activities: RemoteProviders, fal: OpenSandbox) -> PlatformError:
    work = generation_work()
    with pytest.raises(PlatformError) as caught:
        await take(activities, work)
    assert fal.ledger.posts == {marker_of(work): 1}
    assert len(caught.value.service_requests) == 1
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "headers": {"X-Fal-Error-Type": "internal_error"}},
        {"status": 302, "headers": {"Location": "https://fal.example/"}},
    ],
    ids=str,
)
async def test_unknown_submission(
    fal: OpenSandbox, activities: RemoteProviders, fault: dict[str, Any]
) -> None:
    fal.play(Fault(on="submit", is_taken=True, **fault))
    error = await _refused(activities, fal)
    assert error.failure_type == SUBMISSION_UNKNOWN
    assert len(fal.ledger.entries) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 408},
        {"status": 500},
        {"status": 502, "raw": "<html>"},
        {"status": 503},
        {"status": 504},
        {"like": "rate_limit"},
        {"is_dropped": True},
        {"is_cut": True},
    ],
    ids=str,
)
async def test_passing_fault_of_a_result(
    fal: OpenSandbox, activities: RemoteProviders, fault: dict[str, Any]
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="result", **fault))
    result = await wait_for(activities, work)
    assert len(result.files) == 1
    assert fal.ledger.posts == {marker_of(work): 1}


@pytest.mark.parametrize("status", [405, 422])
async def test_refused_status_is_no_proof_that_the_work_failed(
    fal: OpenSandbox, activities: RemoteProviders, status: int
) -> None:
    """The work may go on: it is withdrawn, and submitted again only if fal has dropped it."""
    work = await take(activities, generation_work())
    fal.play(Fault(on="status", status=status, body=_DETAIL))
    error = await failure_of(activities, work)
    assert (error.failure_type, error.is_final) == (SUBMISSION_UNKNOWN, True)


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, Category.VALIDATION),
        (409, Category.VALIDATION),
        (413, Category.VALIDATION),
        (422, Category.VALIDATION),
        (500, Category.PROVIDER_ERROR),
    ],
)
async def test_failed_work_has_the_category_of_its_result(
    fal: OpenSandbox, activities: RemoteProviders, status: int, category: Category
) -> None:
    fal.play(Fault(on="work", status=status, body=_DETAIL))
    error = await failure_of(activities, await take(activities, generation_work()))
    assert (error.category, error.is_final) == (category, True)
    assert error.failure_type is None


@pytest.mark.parametrize("told_by", [{"status": 422, "body": _DETAIL}, {"error": "x", "body": {}}])
async def test_units_of_failed_work_are_recorded(
    fal: OpenSandbox, activities: RemoteProviders, told_by: dict[str, Any]
) -> None:
    """fal charges for some refused inputs."""
    fal.play(Fault(on="work", headers={"x-fal-billable-units": "2.5"}, **told_by))
    error = await failure_of(activities, await take(activities, generation_work()))
    assert [(unit.unit, unit.amount) for unit in error.billed] == [
        ("units of fal-ai/flux/dev", 2.5)
    ]


@pytest.mark.parametrize(
    "raw", ['{"images": ', '{"images": [{"url": 7}]}', '{"images": "none"}', "{}"]
)
async def test_malformed_result_is_final(
    fal: OpenSandbox, activities: RemoteProviders, raw: str
) -> None:
    fal.play(Fault(on="work", raw=raw))
    error = await failure_of(activities, await take(activities, generation_work()))
    assert error.is_final
    assert error.category in (Category.PROVIDER_ERROR, Category.VALIDATION)


@pytest.mark.parametrize("fault", [{"status": 500}, {"is_dropped": True}, {"is_cut": True}])
async def test_file_that_is_cut_off_is_left_to_the_next_wait(
    fal: OpenSandbox, activities: RemoteProviders, fault: dict[str, Any]
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="media", times=0, **fault))
    error = await failure_of(activities, work)
    assert not error.is_final
    fal.sandbox.desk.faults.clear()
    assert (await wait_for(activities, work)).files
    assert fal.ledger.posts == {marker_of(work): 1}


@pytest.mark.parametrize("raw", ["<html>", "", "\x89PNG\r\n\x1a\n and no more"])
async def test_wrong_picture_is_final(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore, raw: str
) -> None:
    fal.play(Fault(on="media", status=200, raw=raw))
    error = await failure_of(activities, await take(activities, generation_work()))
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert not any(key.endswith(".png") for key in objects.objects)


@pytest.mark.parametrize(
    ("polls", "is_withdrawn", "told"),
    [
        (0, True, "OK"),
        (2, False, "CANCELLATION_REQUESTED"),
        (None, False, "ALREADY_COMPLETED"),
    ],
    ids=["queued", "running", "ended"],
)
async def test_cancellation_at_each_stage(
    fal: OpenSandbox,
    activities: RemoteProviders,
    polls: int | None,
    told: str,
    *,
    is_withdrawn: bool,
) -> None:
    fal.play(Fault(on="work", polls=1 if polls is None else 0))
    work = await take(activities, generation_work())
    entry = fal.entry(marker_of(work))
    if polls is None:
        await wait_for(activities, work)
    else:
        entry.polls = polls
    withdrawal = await ActivityEnvironment().run(activities.withdraw_work, work)
    assert withdrawal.is_withdrawn is is_withdrawn
    assert told in withdrawal.message
    assert [request.method for request in withdrawal.service_requests] == ["PUT"]


async def test_errors_quote_neither_the_key_nor_a_picture(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    picture = "iVBORw0KGgo" + "A" * 200
    said = {"detail": f"key {KEY}, picture data:image/png;base64,{picture}, url http://a/b?sig=s3"}
    async with fal_activities(fal, objects) as activities:
        work = await take(activities, generation_work())
        fal.play(Fault(on="submit", status=422, body=said))
        errors = [await _last_refusal(activities)]
        for on in ("status", "result"):
            fal.play(Fault(on=on, status=422, body=said))  # type: ignore[arg-type]
            errors.append(await failure_of(activities, work))
    for error in errors:
        told = f"{error!r} {error} {error.service_requests}"
        assert "key (key), picture (data), url http://a/b" in told
        assert not any(secret in told for secret in (KEY, picture[:40], "sig=s3"))


async def _last_refusal(activities: RemoteProviders) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await take(activities, generation_work())
    return caught.value
