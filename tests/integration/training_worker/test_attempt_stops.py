"""An attempt that is told to stop does so in every stage, and leaves what the next one needs."""

import pytest

from shared.cancellation import Cancelled
from shared.contracts.enums import ErrorCategory
from tests.fakes.disturbed_store import DisturbedStore
from tests.fixtures.training_attempts import FlagWithFile, TrainingAttempts, new_flag

pytestmark = pytest.mark.models


@pytest.mark.long
async def test_while_pictures_are_encoded(attempts: TrainingAttempts, unbroken: str) -> None:
    with pytest.raises(Cancelled):
        await attempts.run(FlagWithFile(attempts.cache))

    num_encoded = len(list(attempts.cache.glob("*.safetensors")))
    assert num_encoded == 1
    assert await attempts.num_counted() == 0
    assert "stopped" in await attempts.log()
    await attempts.run()
    assert await attempts.weights() == unbroken


async def test_while_it_trains(attempts: TrainingAttempts, unbroken: str) -> None:
    flag = new_flag()
    attempts.objects = DisturbedStore(attempts.store, noticed={"samples/4_0": flag.set})
    with pytest.raises(Cancelled):
        await attempts.run(flag)

    assert (await attempts.pointer())["step"] == 4
    assert await attempts.num_counted() == 0
    last = attempts.progress.trainings[-1]
    assert last.logs is not None
    assert last.logs.endswith("stopped; the last state is kept\n")
    assert last.metrics is not None
    assert last.metrics.last_checkpoint_step == 4
    [log] = [file for file in last.files if file.key.endswith("log.txt")]
    assert log.size_bytes == len((await attempts.log()).encode())
    attempts.objects = None
    result = await attempts.run()
    assert result.step == 6
    assert await attempts.weights() == unbroken
    log = await attempts.log()
    assert "resumed from the state of step 4, bit for bit" in log


@pytest.mark.long
async def test_while_it_samples(attempts: TrainingAttempts) -> None:
    flag = new_flag()
    attempts.objects = DisturbedStore(attempts.store, noticed={"samples/2_0": flag.set})
    prompts = ["one", "two", "three"]
    with pytest.raises(Cancelled):
        await attempts.run(flag, sample_prompts=prompts)

    assert {"2_0.png", "contact_sheet.jpg"} <= set(await attempts.names("samples/"))
    assert "2_1.png" not in await attempts.names("samples/")
    assert (await attempts.pointer())["step"] == 2
    attempts.objects = None
    await attempts.run(sample_prompts=prompts)
    made = set(await attempts.names("samples/"))
    assert {f"{step}_{number}.png" for step in (0, 2, 4, 6) for number in range(3)} <= made


@pytest.mark.long
async def test_while_the_store_is_away(attempts: TrainingAttempts, unbroken: str) -> None:
    """The former state stands; the store's failure does not hide that it was told to stop."""
    flag = new_flag()
    store = DisturbedStore(attempts.store)
    store.notice("samples/4_0", flag.set)
    store.notice("samples/4_0", lambda: store.refused.update({"": 10_000}))
    attempts.objects = store
    with pytest.raises(Cancelled) as stopped:
        await attempts.run(flag)

    assert stopped.value.category == ErrorCategory.CANCELLED
    attempts.objects = None
    await attempts.run()
    assert await attempts.weights() == unbroken
