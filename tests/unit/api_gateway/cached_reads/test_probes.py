"""Checks query a dependency once per period, for any number of callers, and always return."""

import asyncio

import pytest

from api_gateway.cached_reads.probes import OK, Check


class Part:
    """A fake dependency with a given state, which counts queries."""

    def __init__(self, answer: str | Exception | None = None) -> None:
        self.answer, self.asked = answer, 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        await self.is_open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_many_who_ask_together_cost_one_question() -> None:
    part = Part()
    part.is_open.clear()
    check = Check("part", part)
    asking = [asyncio.create_task(check()) for _ in range(50)]
    await asyncio.sleep(0)
    part.is_open.set()
    assert await asyncio.gather(*asking) == [OK] * 50
    assert part.asked == 1


async def test_what_was_found_is_kept_for_a_while_and_then_found_anew() -> None:
    part = Part("is full")
    lasting, brief = Check("part", part), Check("part", part, kept_s=0)
    assert [await lasting(), await brief()] == ["is full"] * 2
    part.answer = None
    assert [await lasting(), await brief()] == ["is full", OK]


@pytest.mark.parametrize("error", [OSError("10.0.0.1 refused"), TimeoutError(), RuntimeError()])
async def test_part_that_fails_does_not_answer_and_its_error_is_not_told(error: Exception) -> None:
    assert await Check("part", Part(error))() == "does not respond"


async def test_who_asks_and_goes_away_leaves_the_check_to_the_next() -> None:
    part = Part()
    part.is_open.clear()
    check = Check("part", part)
    first, second = (asyncio.create_task(check()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    part.is_open.set()
    assert await second == OK
