"""Selected faults, and tests that the audit detects each kind of finding.

The full matrix with 100 random kills is `make test-faults`.
"""

import random
import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.at_once_cases import AT_ONCE
from tests.faults.audit import settle
from tests.faults.cases import KILLS, Case
from tests.faults.clients import Clients, remote_task, task
from tests.faults.lost_responses import LOST_RESPONSES
from tests.faults.matrix import run_case
from tests.faults.network import NETWORK
from tests.faults.picture_cases import PICTURES
from tests.faults.provider_cases import PROVIDER
from tests.faults.random_kills import kill_round
from tests.faults.rig import SAMPLE_EVERY, Rig
from tests.faults.submission_cases import SUBMISSIONS
from tests.faults.training_cases import TRAININGS
from tests.faults.training_kills import Kill, Moment
from tests.faults.training_rounds import killed_training, some_kills

pytestmark = pytest.mark.long

_TELLING = (
    "gateway: after commit, before start",
    "workflow-worker: between steps",
    "workflow-worker: after an end is committed",
    "inference-worker: during upload",
    "training-worker: before its result is stored",
    "provider-worker: after accept, before its id is recorded",
    "provider-worker: 45 submissions, after the stored response",
    "inference-worker: 45 tile edits at once, while they are sent",
    "workflow-worker → postgres: cut repeatedly",
    "all at once: power cut",
)


def _selected() -> list[Any]:
    cases = {
        case.name: case
        for case in (*KILLS, *TRAININGS, *PROVIDER, *SUBMISSIONS, *AT_ONCE, *NETWORK)
    }
    long = [pytest.param(case, marks=pytest.mark.long) for case in LOST_RESPONSES]
    return [*(cases[name] for name in _TELLING), *long]


@pytest.mark.parametrize("case", _selected(), ids=lambda case: case.name)
async def test_nothing_is_lost_duplicated_or_left_over(rig: Rig, case: Case) -> None:
    verdict = await rig.stack.guard(run_case(rig, case))

    assert verdict.complaints == []
    assert verdict.num_accepted > 0


@pytest.mark.long
@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.name)
async def test_path_has_the_old_or_the_new_picture(rig: Rig, case: Case) -> None:
    verdict = await rig.stack.guard(run_case(rig, case))

    assert verdict.complaints == []


async def test_random_kills_lose_nothing(rig: Rig) -> None:
    verdict = await rig.stack.guard(kill_round(rig, random.Random(20_26), 3))

    assert verdict.complaints == []
    assert verdict.num_accepted > 0


async def test_training_is_exact_after_three_kills_and_without_its_disk(rig: Rig) -> None:
    kills = [
        Kill(Moment.STEP, SAMPLE_EVERY, is_disk_lost=True),
        Kill(Moment.WRITE, 3 * SAMPLE_EVERY),
        Kill(Moment.SAMPLE, 5 * SAMPLE_EVERY, is_disk_lost=True),
    ]
    verdict = await rig.stack.guard(killed_training(rig, kills, random.Random(20_26)))

    assert verdict.complaints == []
    assert verdict.num_completed == 1


def test_rounds_of_kills_are_drawn_from_their_seed() -> None:
    rounds = [some_kills(random.Random(f"7 {number}")) for number in range(20)]
    assert rounds == [some_kills(random.Random(f"7 {number}")) for number in range(20)]
    kills = [kill for each in rounds for kill in each]
    assert {kill.moment for kill in kills} == set(Moment)
    assert {kill.is_disk_lost for kill in kills} == {True, False}
    assert {len(each) for each in rounds} == {1, 2, 3}


async def test_audit_detects_double_payment(rig: Rig) -> None:
    clients = Clients(rig.api)
    work = remote_task()
    await clients.submit(work)
    await clients.submit(replace(work, key=uuid.uuid4().hex))

    verdict = await settle(rig, clients)

    assert f"2 submissions to the provider for the key {work.key}" in verdict.paid_twice


async def test_audit_detects_missing_records(rig: Rig) -> None:
    clients = Clients(rig.api)
    await clients.submit(task())
    assert (await settle(rig, clients)).is_good
    forgotten = uuid.uuid4()
    clients.accepted["forgotten"] = forgotten

    verdict = await settle(rig, clients, within_s=0)

    assert verdict.lost == [f"{forgotten} has no record"]


async def test_audit_detects_wrong_terminal_events(rig: Rig) -> None:
    clients = Clients(rig.api)
    task_id = await clients.submit(task())
    assert (await settle(rig, clients)).is_good
    # A unique index prevents a second terminal event, so a missing one is tested.
    await rig.rows("UPDATE events SET is_terminal = false WHERE subject_id = $1", task_id)

    verdict = await settle(rig, clients, within_s=0)

    assert verdict.lost == [f"task {task_id} is COMPLETED with 0 terminal events"]


async def test_audit_detects_runs_without_a_record(rig: Rig) -> None:
    name = f"task-{uuid.uuid4()}"
    handle = await rig.temporal.start_workflow("Task", id=name, task_queue="nobody")

    async def is_listed() -> bool:
        return (await rig.temporal.count_workflows(f"WorkflowId = '{name}'")).count == 1

    try:
        await rig.until(is_listed)
        verdict = await settle(rig, Clients(rig.api), within_s=2)
    finally:
        await handle.terminate()

    assert verdict.stuck == [f"{name} runs, its record has ended"]


async def test_audit_detects_duplicates(rig: Rig) -> None:
    clients = Clients(rig.api)
    work = task()
    await clients.submit(work)
    again = task(origin_reference=work.key)
    await clients.submit(again)

    verdict = await settle(rig, clients)

    assert verdict.duplicated == [f"2 records COMPLETED for the key {work.key}"]
