"""The same faults at every provider: what is sent, what the failure says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.errors import WorkCancelled
from provider_worker.sandbox.faults import RETRY_S, Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.remote_work import failure_of, take, until_true, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox, open_sandbox
from tests.fixtures.wires import WIRES, activities_of_each

_EACH = pytest.mark.parametrize("wire", list(WIRES))
_QUEUED = pytest.mark.parametrize("wire", [name for name, wire in WIRES.items() if wire.is_queued])
_ALL = {"times": 0}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[OpenSandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
async def providers(sandbox: OpenSandbox) -> AsyncIterator[dict[str, RemoteProviders]]:
    async with activities_of_each(sandbox, MemoryObjectStore()) as built:
        yield built


class Case:
    """Work of one provider, and the faults that strike it alone."""

    def __init__(self, wire: str, sandbox: OpenSandbox, providers: dict[str, RemoteProviders]):
        self.wire = WIRES[wire]
        self.work = self.wire.work()
        self.marker = self.wire.marker(self.work)
        self.activities = providers[wire]
        self._sandbox = sandbox

    def play(self, *faults: Fault) -> None:
        marked = [fault.model_copy(update={"marker": self.marker}) for fault in faults]
        self._sandbox.play(*marked)

    @property
    def posts(self) -> int:
        return self._sandbox.ledger.posts[self.marker]

    @property
    def polls(self) -> int:
        return self._sandbox.entry(self.marker).polls

    async def refusal(self, work: RemoteWork | None = None) -> PlatformError:
        """Submit, and return the error."""
        with pytest.raises(PlatformError) as caught:
            await ActivityEnvironment().run(self.activities.submit_work, work or self.work)
        return caught.value


@pytest.fixture
def case(wire: str, sandbox: OpenSandbox, providers: dict[str, RemoteProviders]) -> Case:
    return Case(wire, sandbox, providers)


@_EACH
async def test_success(case: Case) -> None:
    case.play(Fault(on="work", polls=1))
    result = await wait_for(case.activities, await take(case.activities, case.work))
    assert len(result.files) == case.wire.num_files
    assert case.posts == 1


@_EACH
@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, Category.VALIDATION),
        (401, Category.AUTHENTICATION),
        (402, Category.QUOTA_EXCEEDED),
        (403, Category.AUTHENTICATION),
        (404, Category.VALIDATION),
        (409, Category.VALIDATION),
        (413, Category.VALIDATION),
        (422, Category.VALIDATION),
        (429, Category.RATE_LIMIT),
    ],
)
async def test_a_refused_submission_has_its_category(
    case: Case, status: int, category: Category
) -> None:
    case.play(Fault(on="submit", status=status, body={"message": f"the key {KEY} is wrong"}))
    error = await case.refusal()
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.retry_after_s) == (category, None)
    assert [request.status for request in error.service_requests] == [status]
    assert case.posts == 1
    assert KEY not in str(error)


@_EACH
@pytest.mark.parametrize(
    ("like", "category", "is_timed"),
    [
        ("rate_limit", Category.RATE_LIMIT, False),
        ("rate_limit_seconds", Category.RATE_LIMIT, True),
        ("rate_limit_date", Category.RATE_LIMIT, True),
        ("rate_limit_ms", Category.RATE_LIMIT, True),
        ("concurrency", Category.RATE_LIMIT, False),
        ("out_of_credit", Category.QUOTA_EXCEEDED, False),
    ],
)
async def test_a_limit_is_told_from_a_lack_of_credit(
    case: Case, like: Any, category: Category, *, is_timed: bool
) -> None:
    case.play(Fault(on="submit", like=like))
    error = await case.refusal()
    assert error.category is category
    if is_timed:
        assert error.retry_after_s is not None
        assert 0 <= error.retry_after_s <= RETRY_S
    else:
        assert error.retry_after_s is None
    assert case.posts == 1


@_EACH
async def test_a_server_error_of_the_provider_itself_is_a_refusal(case: Case) -> None:
    case.play(Fault(on="submit", **case.wire.own_failure))
    error = await case.refusal()
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is Category.PROVIDER_ERROR


@_EACH
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_of_a_proxy_leaves_the_outcome_open(case: Case, status: int) -> None:
    case.play(Fault(on="submit", is_taken=True, status=status, raw="<html>"))
    error = await case.refusal()
    assert isinstance(error, SubmissionUnknownError) == (status in case.wire.proxy_statuses)
    assert case.posts == 1


_LOST = [
    Fault(on="submit", is_dropped=True),
    Fault(on="submit", is_taken=True, is_dropped=True),
    Fault(on="submit", is_taken=True, is_cut=True),
    Fault(on="submit", is_taken=True, status=200, raw='{"id": "a", "requ'),
    Fault(on="submit", is_taken=True, status=200, body=[]),
]
_NO_ACCEPTANCE = [
    Fault(on="submit", is_taken=True, status=200, body={"hello": 1}),
    Fault(on="submit", is_taken=True, pad_bytes=2**20),
]


@_EACH
@pytest.mark.parametrize(
    "fault", _LOST, ids=["cut before", "cut after", "half", "malformed", "no object"]
)
async def test_a_lost_response_is_unknown_and_nothing_is_sent_again(
    case: Case, fault: Fault
) -> None:
    await _is_unknown(case, fault)


@_QUEUED
@pytest.mark.parametrize("fault", _NO_ACCEPTANCE, ids=["unreadable", "huge"])
async def test_a_response_that_is_no_acceptance_is_unknown(case: Case, fault: Fault) -> None:
    await _is_unknown(case, fault)


async def _is_unknown(case: Case, fault: Fault) -> None:
    case.play(fault)
    assert isinstance(await case.refusal(), SubmissionUnknownError)
    assert isinstance(await case.refusal(), SubmissionUnknownError)
    assert case.posts == 1


@_EACH
async def test_a_late_response_is_unknown(wire: str, sandbox: OpenSandbox) -> None:
    async with activities_of_each(sandbox, MemoryObjectStore(), submit_timeout_s=0.3) as built:
        case = Case(wire, sandbox, built)
        case.play(Fault(on="submit", is_taken=True, delay_s=1))
        assert isinstance(await case.refusal(), SubmissionUnknownError)


@_EACH
async def test_a_closed_port_was_certainly_not_reached(wire: str, sandbox: OpenSandbox) -> None:
    with socket.socket() as bound:  # nobody else gets the port, and it accepts nothing
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with activities_of_each(url, MemoryObjectStore()) as built:
            error = await Case(wire, sandbox, built).refusal()
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.is_final) == (Category.NETWORK, False)


@_QUEUED
@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="status", status=408),
        Fault(on="status", status=429, headers={"Retry-After": "0"}),
        Fault(on="status", status=500),
        Fault(on="status", status=502, raw="<html>"),
        Fault(on="status", status=503),
        Fault(on="status", status=504),
        Fault(on="status", is_dropped=True),
        Fault(on="status", is_cut=True),
        Fault(on="status", status=200, raw='{"status": "'),
        Fault(on="status", status=200, body={"status": "NEW_WORD"}),
    ],
    ids=lambda fault: str(fault.model_dump(exclude_defaults=True, exclude={"on"})),
)
async def test_a_disturbed_poll_is_repeated(case: Case, fault: Fault) -> None:
    case.play(Fault(on="work", polls=1), fault)
    result = await wait_for(case.activities, await take(case.activities, case.work))
    assert len(result.files) == 1
    assert case.posts == 1


@_QUEUED
@pytest.mark.parametrize(
    ("fault", "category", "is_final"),
    [
        (Fault(on="status", status=400), Category.PROVIDER_ERROR, True),
        (Fault(on="status", status=401), Category.AUTHENTICATION, True),
        (Fault(on="status", status=402), Category.QUOTA_EXCEEDED, True),
        (Fault(on="status", status=403), Category.AUTHENTICATION, True),
        (Fault(on="status", status=404), Category.PROVIDER_ERROR, True),
        (Fault(on="status", status=429, headers={"Retry-After": "60"}), Category.RATE_LIMIT, False),
        (Fault(on="status", status=503, **_ALL), Category.NETWORK, False),
        (Fault(on="status", is_dropped=True, **_ALL), Category.NETWORK, False),
        (Fault(on="status", pad_bytes=2**21, **_ALL), Category.VALIDATION, True),
    ],
    ids=lambda value: str(value.status or "cut") if isinstance(value, Fault) else "",
)
async def test_a_failed_poll_says_if_waiting_goes_on(
    case: Case, fault: Fault, category: Category, *, is_final: bool
) -> None:
    case.play(fault)
    error = await failure_of(case.activities, await take(case.activities, case.work))
    assert (error.category, error.is_final) == (category, is_final)
    assert case.posts == 1


@_QUEUED
@pytest.mark.parametrize(
    ("fault", "category"),
    [
        (Fault(on="media", status=200, raw="<html>"), Category.PROVIDER_ERROR),
        (Fault(on="media", status=403), Category.PROVIDER_ERROR),
        (Fault(on="media", status=404), Category.PROVIDER_ERROR),
        (Fault(on="media", status=410), Category.PROVIDER_ERROR),
        (Fault(on="media", pad_bytes=51 * 2**20), Category.VALIDATION),
    ],
    ids=["wrong picture", "expired", "gone", "gone for good", "huge"],
)
async def test_a_result_that_cannot_be_stored_is_final(
    case: Case, fault: Fault, category: Category
) -> None:
    case.play(Fault(on="work", polls=1), fault.model_copy(update=_ALL))
    error = await failure_of(case.activities, await take(case.activities, case.work))
    assert (error.category, error.is_final) == (category, True)
    assert case.posts == 1


@_QUEUED
async def test_an_unreachable_result_is_fetched_by_the_next_wait(case: Case) -> None:
    case.play(Fault(on="work", polls=1), Fault(on="media", is_dropped=True, **_ALL))
    work = await take(case.activities, case.work)
    error = await failure_of(case.activities, work)
    assert (error.category, error.is_final) == (Category.NETWORK, False)


async def test_units_that_were_charged_are_recorded_although_the_result_is_lost(
    sandbox: OpenSandbox, providers: dict[str, RemoteProviders]
) -> None:
    case = Case("fashn", sandbox, providers)
    case.play(Fault(on="work", polls=1), Fault(on="media", status=404))
    error = await failure_of(case.activities, await take(case.activities, case.work))
    assert [(unit.unit, unit.amount) for unit in error.billed] == [("credits", 1)]


@pytest.mark.parametrize(
    ("wire", "category"),
    [
        ("fal", Category.CONTENT_POLICY),
        ("fashn", Category.CONTENT_POLICY),
        ("magnific", Category.PROVIDER_ERROR),  # it gives no reasons
    ],
)
async def test_a_refused_content_is_told_where_the_provider_says_so(
    case: Case, category: Category
) -> None:
    case.play(Fault(on="work", polls=1, like="content_policy"))
    error = await failure_of(case.activities, await take(case.activities, case.work))
    assert (error.category, error.is_final) == (category, True)


@_QUEUED
@pytest.mark.parametrize("polls", [1, 2], ids=["queued", "running"])
async def test_cancelled_work_ends_the_wait_and_tells_the_outcome(case: Case, polls: int) -> None:
    case.play(Fault(on="work", polls=0))
    if polls == 2 and not case.wire.can_cancel:
        case.work = case.work.model_copy(update={"provider_config": {"poll_interval": 1}})
    work = await take(case.activities, case.work)
    env = ActivityEnvironment()
    waiting = asyncio.create_task(env.run(case.activities.await_work, work))
    await until_true(lambda: case.polls >= polls)
    env.cancel()
    told = "fal returned" if case.wire.can_cancel else "cannot be cancelled"
    with pytest.raises(WorkCancelled, match=told):
        await waiting


@_EACH
async def test_ended_work_is_not_withdrawn(case: Case) -> None:
    case.play(Fault(on="work", polls=1))
    work = await take(case.activities, case.work)
    await wait_for(case.activities, work)
    found = await ActivityEnvironment().run(case.activities.withdraw_work, work)
    assert not found.is_withdrawn
    assert found.message
