from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from runtime.core.lease import DEFAULT_SHARDS, shard_of
from runtime.durable.suspects import MAX_STARTS, Suspects
from runtime.store.memory import MemoryStore
from runtime.store.records import Entry, QueueState
from tests.records import make_event

QUEUE, TAIL = 1, 100
ALL = frozenset(range(DEFAULT_SHARDS))
STATE = QueueState(QUEUE, "trips", "acme", 0, TAIL)


async def nothing() -> None:
    pass


def shard_of_entry(entry: Entry) -> int:
    return shard_of(entry.event.tenant, entry.event.key, DEFAULT_SHARDS, entry.event.id)


async def suspects(starts: dict[int, int], in_flight: int = 1000) -> Suspects:
    store = MemoryStore()
    await store.open()
    await store.acquire_lease(uuid4())
    made = Suspects(store, nothing, lambda _queue: 0, shard_of_entry)
    made.begin(ALL, starts, [STATE], {"trips"}, in_flight)
    return made


def entry(seq: int, queue: int = QUEUE) -> Entry:
    return Entry(seq, queue, make_event())


async def waits(work: asyncio.Task[None]) -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return not work.done()


async def test_only_what_was_in_the_log_at_the_crash_is_suspect() -> None:
    some = await suspects({})
    assert some.concern(entry(1))
    assert some.concern(entry(TAIL))
    assert not some.concern(entry(TAIL + 1))
    assert not some.concern(entry(1, queue=2))


async def test_nothing_is_suspect_behind_what_can_have_been_in_flight() -> None:
    some = await suspects({}, in_flight=2)
    await some.enter("a", "trips", [entry(5), entry(7)])
    assert some.concern(entry(6))
    assert not some.concern(entry(8))


async def test_services_that_do_not_run_and_queues_without_waiting_events_have_no_suspects() -> None:
    made = Suspects(MemoryStore(), nothing, lambda _queue: 0, shard_of_entry)
    made.begin(ALL, {}, [STATE], {"others"}, 10)
    made.begin(ALL, {}, [QueueState(QUEUE, "trips", "acme", TAIL, TAIL)], {"trips"}, 10)
    assert not made.active


async def test_first_starts_run_together() -> None:
    some = await suspects({})
    async with asyncio.timeout(1):
        await some.enter("a", "trips", [entry(1)])
        await some.enter("b", "trips", [entry(2)])


@pytest.mark.parametrize("other", [2, 3])
async def test_what_was_marked_before_runs_alone(other: int) -> None:
    some = await suspects({2: 1, 3: 1})
    await some.enter("a", "trips", [entry(3)])
    second = asyncio.create_task(some.enter("b", "trips", [entry(other + 10 * (other == 3))]))
    assert await waits(second)
    some.leave("a")
    async with asyncio.timeout(1):
        await second


async def test_who_has_to_run_alone_is_not_overtaken_for_ever() -> None:
    some = await suspects({3: 1})
    await some.enter("a", "trips", [entry(1)])
    alone = asyncio.create_task(some.enter("b", "trips", [entry(3)]))
    assert await waits(alone)
    late = asyncio.create_task(some.enter("c", "trips", [entry(2)]))
    some.leave("a")
    async with asyncio.timeout(1):
        await alone
    assert await waits(late)
    some.leave("b")
    async with asyncio.timeout(1):
        await late


async def test_a_service_that_stops_lets_the_others_go_on() -> None:
    some = await suspects({3: 1})
    await some.enter("a", "trips", [entry(3)])
    other = asyncio.create_task(some.enter("b", "others", [entry(2)]))
    assert await waits(other)
    some.forget("trips")
    async with asyncio.timeout(1):
        await other


async def test_one_who_gives_up_waiting_holds_up_nobody() -> None:
    some = await suspects({3: 1})
    await some.enter("a", "trips", [entry(1)])
    alone = asyncio.create_task(some.enter("b", "trips", [entry(3)]))
    assert await waits(alone)
    late = asyncio.create_task(some.enter("c", "trips", [entry(2)]))
    assert await waits(late)
    alone.cancel()
    async with asyncio.timeout(1):
        await late


async def test_three_marks_condemn() -> None:
    some = await suspects({1: MAX_STARTS - 1, 2: MAX_STARTS})
    assert some.condemned(entry(1)) is None
    assert some.condemned(entry(3)) is None
    assert "took the process down" in str(some.condemned(entry(2)))
