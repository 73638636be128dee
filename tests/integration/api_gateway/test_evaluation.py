"""Evaluations over REST, by a fake evaluator on a real Temporal server, and its health."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select, update
from structlog.testing import capture_logs

from shared.breaker import FAILURES_TO_OPEN, OPEN_FOR
from shared.contracts.enums import AiProvider, ErrorCategory
from shared.contracts.evaluation import EvaluationFindings, EvaluationJob, EvaluationProvider
from shared.contracts.runs import ProviderVerdict
from shared.db.models.breakers import ProviderBreaker
from shared.db.models.evaluations import Evaluation
from shared.db.repositories.breakers import count_verdict
from shared.errors import PlatformError
from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fakes.evaluator import see
from tests.fakes.lost_starts import Fate, Starts, with_starts
from tests.fixtures.gateway import POWERLESS_KEY, TENANT_KEY, Gateway
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, terminate_all, until
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_tasks import PNG

PATH = "/api/v1/evaluation/"
HEALTH = "/api/v1/evaluation/health"
URL = "https://images.example.com/1.jpg"
EXPECTED = {"expected_framing": "full_body", "expected_view_angle": "front"}
PICTURE = EXPECTED | {"image_data": base64.b64encode(PNG).decode()}


@pytest.fixture
async def records(gateway: Gateway) -> AsyncIterator[Any]:
    """The evaluations of one test, before which every breaker is closed."""
    sessions = gateway.resources.sessions

    async def forget() -> None:
        async with sessions.begin() as session:
            await session.execute(delete(Evaluation))
            await session.execute(delete(ProviderBreaker))

    await forget()

    async def rows() -> list[Evaluation]:
        async with sessions() as session:
            return list(await session.scalars(select(Evaluation).order_by(Evaluation.created_at)))

    yield rows
    await forget()


@pytest.fixture
async def evaluating(staff: Staff) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a running evaluator."""
    async with staff.workflow_worker(), staff.runs.evaluation_worker(), staff.client() as client:
        yield client


def raises(category: ErrorCategory):
    async def act(job: EvaluationJob) -> EvaluationFindings:
        raise PlatformError("the model gave up", category=category)

    return act


async def test_picture_is_evaluated_and_removed(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    seen: list[bytes] = []

    async def act(job: EvaluationJob) -> EvaluationFindings:
        assert job.image_path is not None
        seen.append(await staff.gateway.resources.objects.get(job.image_path))
        served = await evaluating.get(f"/api/v1/storage/images/{job.image_path}")
        assert served.status_code == 404
        return EvaluationFindings(
            detected_framing="full_body",
            detected_view_angle="side",
            shot_type_confidence=0.5,
            human_presence_confidence=1.0,
        )

    staff.runs.evaluator.act = act
    answer = await evaluating.post(
        PATH + "?provider=anthropic",
        json=PICTURE | {"custom_instructions": "look", "include_descriptions": True},
    )

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["success"], body["error"]) == (True, None)
    assert (body["detected_view_angle"], body["matches_expected"]) == ("side", False)
    assert body["confidence_summary"] == 0.75
    assert body["evaluation_time_ms"] > 0
    [job] = staff.runs.evaluator.jobs
    assert (job.provider, job.custom_instructions) == (EvaluationProvider.ANTHROPIC, "look")
    assert (job.expected_gender, job.include_descriptions) == ("FEMALE", True)
    assert seen == [PNG]
    assert await staff.gateway.resources.objects.list("evaluations/") == []
    [row] = await records()
    assert (row.provider, row.success, row.origin_instance) == ("anthropic", True, "unknown")


async def test_address_is_the_evaluators_to_fetch(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    url = "https://images.example.com/1.jpg"
    answer = await evaluating.post(PATH, json=EXPECTED | {"image_url": url})
    assert answer.json()["matches_expected"] is True
    [job] = staff.runs.evaluator.jobs
    assert (job.image_url, job.image_path, job.provider) == (url, None, EvaluationProvider.AUTO)


async def test_failure_of_the_evaluator_is_an_answer(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    staff.runs.evaluator.act = raises(ErrorCategory.PROVIDER_ERROR)
    answer = await evaluating.post(PATH, json=PICTURE)
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["error"]) == (False, "the model gave up")
    [row] = await records()
    assert (row.success, row.error) == (False, "the model gave up")
    assert await staff.gateway.resources.objects.list("evaluations/") == []


@pytest.mark.parametrize("field", ["image_data", "image_url"])
async def test_picture_that_the_evaluator_refuses_is_422(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any, field: str
) -> None:
    staff.runs.evaluator.act = raises(ErrorCategory.VALIDATION)
    image = {"image_data": PICTURE["image_data"], "image_url": "https://images.example.com/1.jpg"}
    answer = await evaluating.post(PATH, json=EXPECTED | {field: image[field]})
    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert (fault["loc"], fault["msg"]) == (["body", field], "the model gave up")
    assert await records() == []


async def test_evaluation_carries_what_the_key_is_bound_to(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    async with staff.client(TENANT_KEY) as tenant:
        assert (await tenant.post(PATH, json=PICTURE)).json()["success"]
    [row] = await records()
    assert (row.origin_instance, row.origin_tenant_id) == ("shop", "acme")
    [job] = staff.runs.evaluator.jobs
    assert (job.owner.origin_instance, job.owner.origin_tenant_id) == ("shop", "acme")


REFUSED: list[tuple[dict[str, Any], list[Any]]] = [
    (EXPECTED, ["body"]),
    (PICTURE | {"image_url": "https://example.com/a.png"}, ["body"]),
    (PICTURE | {"expected_framing": "feet"}, ["body", "expected_framing"]),
    (PICTURE | {"custom_instructions": "a\x00b"}, ["body"]),
    (PICTURE | {"custom_instructions": "a" * 4001}, ["body", "custom_instructions"]),
    (EXPECTED | {"image_data": "no picture"}, ["body", "image_data"]),
    (EXPECTED | {"image_data": "https://example.com/a.png"}, ["body", "image_data"]),
    (
        EXPECTED | {"image_data": base64.b64encode(b"text").decode()},
        ["body", "image_data"],
    ),
    (EXPECTED | {"image_url": "file:///etc/passwd"}, ["body", "image_url"]),
    (EXPECTED | {"image_url": "https://"}, ["body", "image_url"]),
    (EXPECTED | {"image_url": "http://[::1"}, ["body", "image_url"]),
]


@pytest.mark.parametrize(("body", "place"), REFUSED)
async def test_refused_request_names_the_place_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, body: dict[str, Any], place: list[Any]
) -> None:
    answer = await api.post(PATH, json=body)
    assert answer.status_code == 422, answer.text
    places = [fault["loc"] for fault in answer.json()["detail"]]
    assert any(found[: len(place)] == place for found in places), places
    assert await gateway.resources.objects.list("evaluations/") == []


async def test_unknown_provider_is_422_and_names_the_known(api: httpx.AsyncClient) -> None:
    for method, path in (("POST", PATH), ("GET", HEALTH)):
        answer = await api.request(method, path, params={"provider": "nobody"}, json=PICTURE)
        assert answer.status_code == 422
        [fault] = answer.json()["detail"]
        assert fault["loc"] == ["query", "provider"]
        assert "ollama" in fault["msg"]


async def test_without_an_evaluator_the_answer_is_503(
    staff: Staff, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = "workflows.definitions.evaluate_image.EVALUATION_SCHEDULE_TO_START"
    monkeypatch.setattr(wait, timedelta(seconds=1))
    async with staff.workflow_worker(), staff.client() as client:
        answer = await client.post(PATH, json=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_evaluator")
    assert answer.headers["retry-after"]
    assert "no evaluator was available in time" in answer.json()["detail"]
    assert await records() == []
    assert await staff.gateway.resources.objects.list("evaluations/") == []


async def test_without_temporal_the_answer_is_503(gateway: Gateway) -> None:
    temporal = await connect(TemporalSettings(address="127.0.0.1:9"), identity="t", is_lazy=True)
    async with gateway.client(temporal=temporal) as client:
        for answer in (await client.post(PATH, json=PICTURE), await client.get(HEALTH)):
            assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")
    assert await gateway.resources.objects.list("evaluations/") == []


async def test_key_is_one_evaluation_though_its_acknowledgement_was_lost(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    runs, gateway = staff.runs, staff.gateway
    lost = with_starts(runs.client, Starts(Fate.UNANSWERED))
    async with gateway.client(temporal=lost) as client:
        with capture_logs():  # printing an error with all its frames takes seconds
            unknown = await client.post(PATH, json=PICTURE, headers=key)
            keyless = await client.post(PATH, json=EXPECTED | {"image_url": URL})
    assert [a.status_code for a in (unknown, keyless)] == [503, 503]
    assert unknown.headers["retry-after"]

    first = await evaluating.post(PATH, json=PICTURE, headers=key)
    again = await evaluating.post(PATH, json=PICTURE, headers=key)

    for answer in (first, again):
        assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    jobs = [job for job in runs.evaluator.jobs if job.image_path]
    assert len(jobs) == len({job.evaluation_id for job in jobs}) == 1
    assert await gateway.resources.objects.list("evaluations/") == []
    other = await evaluating.post(PATH, json=PICTURE | {"custom_instructions": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    async with staff.client(TENANT_KEY) as tenant:
        assert (await tenant.post(PATH, json=PICTURE, headers=key)).json()["success"]
    assert len([job for job in runs.evaluator.jobs if job.image_path]) == 2


async def test_picture_stays_while_its_evaluation_may_go_on(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    looks, may_end = asyncio.Event(), asyncio.Event()

    async def act(job: EvaluationJob) -> EvaluationFindings:
        looks.set()
        await may_end.wait()
        assert job.image_path is not None
        assert await staff.gateway.resources.objects.get(job.image_path) == PNG
        return EvaluationFindings()

    staff.runs.evaluator.act = act
    key = {"Idempotency-Key": uuid.uuid4().hex}
    lost = with_starts(staff.runs.client, Starts(Fate.UNANSWERED))
    async with staff.gateway.client(temporal=lost) as client:
        with capture_logs():
            assert (await client.post(PATH, json=PICTURE, headers=key)).status_code == 503
    await asyncio.wait_for(looks.wait(), 20)
    repeat = asyncio.create_task(evaluating.post(PATH, json=PICTURE, headers=key))
    may_end.set()

    assert (await repeat).json()["success"] is True
    assert len(staff.runs.evaluator.jobs) == 1
    assert await staff.gateway.resources.objects.list("evaluations/") == []


async def test_failure_of_the_evaluator_is_its_keys_result(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    staff.runs.evaluator.act = raises(ErrorCategory.PROVIDER_ERROR)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [await evaluating.post(PATH, json=PICTURE, headers=key) for _ in range(2)]
    assert [(a.json()["success"], a.json()["error"]) for a in answers] == [
        (False, "the model gave up")
    ] * 2
    assert len(staff.runs.evaluator.jobs) == 1


async def test_evaluation_that_came_to_nothing_is_made_again_for_its_key(
    staff: Staff, records: Any
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    async with staff.client() as client:
        waiting = asyncio.create_task(client.post(PATH, json=PICTURE, headers=key))
        open_runs = "ExecutionStatus = 'Running' AND WorkflowType = 'Evaluation'"

        async def is_listed() -> bool:
            return (await staff.runs.client.count_workflows(open_runs)).count > 0

        await until(is_listed)
        await terminate_all(staff.runs.client)
        assert (await waiting).status_code == 503
        async with staff.workflow_worker(), staff.runs.evaluation_worker():
            answers = [await client.post(PATH, json=PICTURE, headers=key) for _ in range(2)]
    assert [answer.json()["success"] for answer in answers] == [True, True]
    assert len(staff.runs.evaluator.jobs) == 1


async def test_health_without_an_evaluator(
    gateway: Gateway, servers: Servers, records: Any
) -> None:
    unstaffed = await open_namespace(servers, f"unstaffed-{uuid.uuid4().hex[:8]}")
    async with gateway.client(TENANT_KEY, temporal=unstaffed) as client:
        health = (await client.get(HEALTH)).json()
    assert health == {
        "is_healthy": False,
        "health_score": 0.0,
        "total_evaluations": 0,
        "success_rate": 1.0,
        "average_response_time": 0.0,
        "circuit_breaker_state": "closed",
    }


async def test_health_tells_what_the_records_say(
    gateway: Gateway, servers: Servers, records: Any
) -> None:
    runs = Runs(await open_namespace(servers, f"staffed-{uuid.uuid4().hex[:8]}"))
    async with runs.evaluation_worker(), gateway.client(temporal=runs.client) as client:

        async def is_polled() -> bool:
            return (await client.get(HEALTH)).json()["is_healthy"]

        await until(is_polled)
        await _add(gateway, AiProvider.OPENAI, successes=3, failures=1, duration_ms=500)
        await _add(gateway, AiProvider.OLLAMA, successes=0, failures=5, duration_ms=1000)
        await _open(gateway, AiProvider.OLLAMA)
        both = (await client.get(HEALTH)).json()
        openai = (await client.get(HEALTH, params={"provider": "openai"})).json()
        ollama = (await client.get(HEALTH, params={"provider": "ollama"})).json()
    assert (both["total_evaluations"], both["circuit_breaker_state"]) == (9, "closed")
    assert openai == {
        "is_healthy": True,
        "health_score": 0.75,
        "total_evaluations": 4,
        "success_rate": 0.75,
        "average_response_time": 0.5,
        "circuit_breaker_state": "closed",
    }
    assert (ollama["is_healthy"], ollama["circuit_breaker_state"]) == (False, "open")
    assert (ollama["health_score"], ollama["success_rate"]) == (0.0, 0.0)


async def _add(
    gateway: Gateway, provider: AiProvider, *, successes: int, failures: int, duration_ms: float
) -> None:
    async with gateway.resources.sessions.begin() as session:
        for success in [True] * successes + [False] * failures:
            session.add(
                Evaluation(
                    id=uuid.uuid4(),
                    provider=provider,
                    success=success,
                    duration_ms=duration_ms,
                    origin_instance="tests",
                    created_at=datetime.now(UTC),
                )
            )
        await session.flush()
        assert await session.scalar(select(func.count()).select_from(Evaluation))


async def _open(gateway: Gateway, *vendors: AiProvider, is_over: bool = False) -> None:
    """Open the breakers of vendors; `is_over`: so long ago that they are half-open."""
    async with gateway.resources.sessions.begin() as session:
        for vendor in vendors:
            for _ in range(FAILURES_TO_OPEN):
                failed = ProviderVerdict(provider_type=vendor, is_success=False)
                await count_verdict(session, failed)
        if is_over:
            opened_at = datetime.now(UTC) - OPEN_FOR
            await session.execute(update(ProviderBreaker).values(opened_at=opened_at))


async def test_five_failures_open_the_breaker_and_the_post_respects_it(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any
) -> None:
    staff.runs.evaluator.act = raises(ErrorCategory.PROVIDER_ERROR)
    path = PATH + "?provider=openai"
    for _ in range(FAILURES_TO_OPEN):
        assert (await evaluating.post(path, json=PICTURE)).json()["error"] == "the model gave up"
    refused = (await evaluating.post(path, json=PICTURE)).json()
    assert refused["success"] is False
    assert "the circuit breaker of openai is open" in refused["error"]
    assert len(staff.runs.evaluator.jobs) == len(await records()) == FAILURES_TO_OPEN
    for params in ({}, {"provider": "openai"}):
        health = (await evaluating.get(HEALTH, params=params)).json()
        assert (health["is_healthy"], health["circuit_breaker_state"]) == (False, "open")
    standings = (await evaluating.get("/api/v1/monitoring/providers")).json()["providers"]
    (openai,) = [one for one in standings if one["provider_type"] == "openai"]
    assert (openai["breaker"], openai["failures"]) == ("open", FAILURES_TO_OPEN)

    staff.runs.evaluator.act = see
    assert (await evaluating.post(PATH + "?provider=auto", json=PICTURE)).json()["success"]
    assert staff.runs.evaluator.jobs[-1].skip == [AiProvider.OPENAI]
    assert [row.provider for row in await records()][-1] != "openai"
    health = (await evaluating.get(HEALTH)).json()
    assert (health["is_healthy"], health["circuit_breaker_state"]) == (True, "closed")


@pytest.mark.parametrize("category", [ErrorCategory.CONTENT_POLICY, ErrorCategory.INTERNAL])
async def test_what_is_not_the_vendors_fault_counts_for_no_breaker(
    staff: Staff, evaluating: httpx.AsyncClient, records: Any, category: ErrorCategory
) -> None:
    staff.runs.evaluator.act = raises(category)
    for _ in range(FAILURES_TO_OPEN + 1):
        answer = await evaluating.post(PATH + "?provider=openai", json=PICTURE)
        assert (answer.json()["success"], answer.json()["error"]) == (False, "the model gave up")
    assert len(await records()) == FAILURES_TO_OPEN + 1


async def test_auto_without_an_available_vendor_asks_nobody(
    staff: Staff, evaluating: httpx.AsyncClient, gateway: Gateway, records: Any
) -> None:
    await _open(gateway, *AiProvider)
    answer = (await evaluating.post(PATH, json=PICTURE)).json()
    assert (answer["success"], staff.runs.evaluator.jobs) == (False, [])
    assert "the circuit breakers of all providers are open" in answer["error"]
    assert await records() == []


async def test_one_request_at_a_time_probes_a_vendor(
    staff: Staff, evaluating: httpx.AsyncClient, gateway: Gateway, records: Any
) -> None:
    await _open(gateway, AiProvider.GEMINI, is_over=True)
    looks, may_end = asyncio.Event(), asyncio.Event()

    async def act(job: EvaluationJob) -> EvaluationFindings:
        looks.set()
        await may_end.wait()
        return await see(job)

    staff.runs.evaluator.act = act
    path = PATH + "?provider=gemini"
    probe = asyncio.create_task(evaluating.post(path, json=PICTURE))
    await asyncio.wait_for(looks.wait(), 20)
    others = [(await evaluating.post(path, json=PICTURE)).json() for _ in range(2)]
    assert ["another request probes gemini" in other["error"] for other in others] == [True] * 2
    assert len(staff.runs.evaluator.jobs) == 1
    may_end.set()
    assert (await probe).json()["success"] is True
    assert (await evaluating.post(path, json=PICTURE)).json()["success"] is True  # the second probe
    health = (await evaluating.get(HEALTH, params={"provider": "gemini"})).json()
    assert health["circuit_breaker_state"] == "closed"


async def test_a_probe_that_asked_nobody_leaves_its_place(
    staff: Staff, evaluating: httpx.AsyncClient, gateway: Gateway, records: Any
) -> None:
    await _open(gateway, AiProvider.OPENAI, AiProvider.OLLAMA, is_over=True)
    staff.runs.evaluator.act = raises(ErrorCategory.VALIDATION)
    assert (await evaluating.post(PATH, json=PICTURE)).status_code == 422
    staff.runs.evaluator.act = see
    assert (await evaluating.post(PATH, json=PICTURE)).json()["success"]  # asks openai alone
    answer = await evaluating.post(PATH + "?provider=ollama", json=PICTURE)
    assert answer.json()["success"], answer.json()
    assert [job.skip for job in staff.runs.evaluator.jobs] == [[], [], []]


async def test_result_of_a_key_is_returned_though_the_breaker_has_opened(
    staff: Staff, evaluating: httpx.AsyncClient, gateway: Gateway, records: Any
) -> None:
    key, path = {"Idempotency-Key": uuid.uuid4().hex}, PATH + "?provider=gemini"
    first = (await evaluating.post(path, json=PICTURE, headers=key)).json()
    await _open(gateway, AiProvider.GEMINI)
    again = (await evaluating.post(path, json=PICTURE, headers=key)).json()
    assert again | {"evaluation_time_ms": 0} == first | {"evaluation_time_ms": 0}
    new = {"Idempotency-Key": uuid.uuid4().hex}
    assert "is open" in (await evaluating.post(path, json=PICTURE, headers=new)).json()["error"]
    assert len(staff.runs.evaluator.jobs) == 1


async def test_key_without_the_scope_is_403(gateway: Gateway) -> None:
    async with gateway.client(POWERLESS_KEY) as client:
        for method, path in (("POST", PATH), ("GET", HEALTH), ("GET", "/api/v1/training/")):
            assert (await client.request(method, path, json=PICTURE)).status_code == 403
