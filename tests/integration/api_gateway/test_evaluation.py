"""Evaluations over REST, by a fake evaluator on a real Temporal server, and its health."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select
from structlog.testing import capture_logs

from shared.contracts.enums import AiProvider, ErrorCategory
from shared.contracts.evaluation import EvaluationFindings, EvaluationJob
from shared.db.models.evaluations import Evaluation
from shared.errors import PlatformError
from shared.settings import TemporalSettings
from shared.temporal.client import connect
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
async def records(gateway: Gateway) -> Any:
    """The evaluations of one test."""
    sessions = gateway.resources.sessions
    async with sessions.begin() as session:
        await session.execute(delete(Evaluation))

    async def rows() -> list[Evaluation]:
        async with sessions() as session:
            return list(await session.scalars(select(Evaluation).order_by(Evaluation.created_at)))

    return rows


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
    assert (job.provider, job.custom_instructions) == (AiProvider.ANTHROPIC, "look")
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
    assert (job.image_url, job.image_path, job.provider) == (url, None, AiProvider.GEMINI)


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
    assert "no evaluator is running" in answer.json()["detail"]
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
        both = (await client.get(HEALTH)).json()
        openai = (await client.get(HEALTH, params={"provider": "openai"})).json()
        ollama = (await client.get(HEALTH, params={"provider": "ollama"})).json()
    assert both["total_evaluations"] == 9
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


async def test_key_without_the_scope_is_403(gateway: Gateway) -> None:
    async with gateway.client(POWERLESS_KEY) as client:
        for method, path in (("POST", PATH), ("GET", HEALTH), ("GET", "/api/v1/training/")):
            assert (await client.request(method, path, json=PICTURE)).status_code == 403
