"""When a service is told of what was committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.core.lease import DEFAULT_SHARDS
from runtime.durable.backlog import Backlog
from runtime.store.memory import MemoryStore
from runtime.store.records import Batch, Entry
from tests.records import make_event, new_id

SERVICE = "trips"


class Recorder:
    """A service that writes down when it is given what, and when it may start it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def push(self, entry: Entry) -> None:
        self.seen.append(f"entry {entry.seq}")

    def pump(self) -> None:
        self.seen.append("start")

    async def learn_holds(self) -> None:
        """Nothing is held."""


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    made = MemoryStore()
    await made.open()
    await made.acquire_lease(new_id())
    yield made
    await made.close()


async def admit(store: MemoryStore, count: int) -> Recorder:
    """Commit and admit events for a service."""
    backlog, recorder = Backlog(store, 100), Recorder()
    await backlog.grant(frozenset(range(DEFAULT_SHARDS)), await store.queues())
    backlog.attach(SERVICE, recorder)
    await backlog.admit(await store.commit(Batch(events=[make_event(service=SERVICE) for _ in range(count)])))
    return recorder


async def test_a_lone_event_may_start_as_soon_as_it_is_committed(store: MemoryStore) -> None:
    assert (await admit(store, 1)).seen == ["entry 1", "start"]


async def test_many_events_may_start_in_the_next_turn_behind_those_who_waited_for_the_commit(
    store: MemoryStore,
) -> None:
    recorder = await admit(store, 3)
    assert recorder.seen == ["entry 1", "entry 2", "entry 3"]
    await asyncio.sleep(0)
    assert recorder.seen[3:] == ["start"]
