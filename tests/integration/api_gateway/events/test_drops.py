"""A client whose connection breaks repeatedly misses no event and sees none twice.

`SARTIQ_SSE_DROPS=1000 pytest tests/integration/api_gateway/events/test_drops.py` is the long form.
"""

import asyncio
import os
import random
from contextlib import suppress

from sqlalchemy import select

from shared.db.models.tables import Event
from tests.fixtures.event_streams import StreamClient
from tests.fixtures.streaming import Streaming, Subject

_DROPS = int(os.environ.get("SARTIQ_SSE_DROPS", "60"))
_STREAMS = 4
_SEED = 20_261_124


async def _write_until(dropped: asyncio.Event, task: Subject, chance: random.Random) -> None:
    """Write progress, sometimes in bursts, as long as connections are dropped; then the end."""
    step = 0
    while not dropped.is_set():
        for _ in range(chance.choice((1, 1, 1, 1, 1, 8))):
            step += 1
            # Changes are numbered, so that a lost one is noticed.
            await task.change(status="EXECUTING", progress=100 * step / (step + 1000))
        await asyncio.sleep(chance.uniform(0.02, 0.1))
    await task.change(status="COMPLETED", progress=100)


async def _be_dropped(client: StreamClient, drops: int, chance: random.Random) -> None:
    """Break open streams after some bytes, often within an event, or after some time."""
    while client.opened < drops:
        if chance.random() < 0.7:
            await client.connect(most_bytes=chance.randint(1, 3000))
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0, 0.3)):
                await client.connect()


async def _one_stream(streaming: Streaming, drops: int, chance: random.Random) -> None:
    task = await streaming.task()
    client = streaming.client(task)
    dropped = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_write_until(dropped, task, chance))
        await _be_dropped(client, drops, chance)
        assert not client.is_done
        dropped.set()
    await client.follow()

    async with streaming.gateway.resources.sessions() as session:
        rows = list(
            await session.execute(
                select(Event.seq, Event.payload)
                .where(Event.subject_id == task.row.id)
                .order_by(Event.seq)
            )
        )
    written = [(seq, payload["status"], payload.get("progress", 0)) for seq, payload in rows]
    seen = [(e.id, e.status, e.data.get("progress", 0)) for e in client.events]
    assert client.ids == list(range(1, len(written) + 1)), "lost or doubled"
    assert seen == written


async def test_client_that_is_dropped_at_random_loses_no_event(streaming: Streaming) -> None:
    per_stream = -(-_DROPS // _STREAMS)
    await asyncio.gather(
        *(
            _one_stream(streaming, per_stream, random.Random(_SEED + number))
            for number in range(_STREAMS)
        )
    )
