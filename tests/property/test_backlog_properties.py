"""However commits, hand-overs, refills and completions interleave, every entry is delivered once and in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.durable.backlog import Backlog
from runtime.store.memory import MemoryStore
from runtime.store.records import Batch, Entry, Outcome, OutcomeKind
from tests.records import NOW, make_event, new_id

WINDOW = 10
SERVICE = "trips"


class Collector:
    """A service that takes what it is given and remembers it."""

    def __init__(self) -> None:
        self.got: list[Entry] = []
        self.waiting: deque[Entry] = deque()

    def push(self, entry: Entry) -> None:
        self.got.append(entry)
        self.waiting.append(entry)

    def pump(self) -> None:
        """The test decides when entries start."""


class World:
    """A store, a backlog, and commits whose hand-over is still to come."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.collector = Collector()
        self.committed: list[Entry] = []
        self.unadmitted: deque[list[Entry]] = deque()
        self.backlog = Backlog(self.store, WINDOW)

    async def begin(self) -> None:
        await self.store.open()
        await self.store.acquire_lease(new_id())
        self.backlog.recover(await self.store.queues())
        self.backlog.attach(SERVICE, self.collector)

    async def commit(self, count: int, tenant: int) -> None:
        events = [make_event(service=SERVICE, tenant=f"t{tenant}") for _ in range(count)]
        entries = await self.store.commit(Batch(events=events))
        self.committed += entries
        self.unadmitted.append(entries)

    def admit(self) -> None:
        if self.unadmitted:
            self.backlog.admit(self.unadmitted.popleft())

    async def refill(self) -> None:
        for queue_id in list(self.backlog._hungry):
            await self.backlog._refill(self.backlog._queues[queue_id])

    async def complete(self, count: int) -> None:
        waiting = self.collector.waiting
        entries = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        for entry in entries:
            self.backlog.started(entry.queue, 1)
        await self.store.commit(Batch(outcomes=[Outcome(e.seq, OutcomeKind.DONE, NOW, NOW) for e in entries]))
        for entry in entries:
            self.backlog.recorded(entry.queue, [entry.seq])

    async def finish(self) -> None:
        while self.unadmitted:
            self.admit()
        while len(self.collector.got) < len(self.committed):
            before = len(self.collector.got), len(self.collector.waiting)
            await self.refill()
            await self.complete(3)
            assert (len(self.collector.got), len(self.collector.waiting)) != before, "stuck"
        await self.complete(len(self.collector.waiting))

    def check_windows(self) -> None:
        for queue in self.backlog._queues.values():
            own = [entry for entry in self.collector.waiting if entry.queue == queue.id]
            assert queue.waiting == len(own) <= WINDOW
            queue.watermark.validate()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 25), st.integers(0, 2)),
        st.tuples(st.just("admit")),
        st.tuples(st.just("refill")),
        st.tuples(st.just("complete"), st.integers(1, 15)),
    ),
    max_size=40,
)


async def play(script: list[tuple[Any, ...]]) -> World:
    world = World()
    await world.begin()
    for name, *arguments in script:
        result = getattr(world, name)(*arguments)
        if result is not None:
            await result
        world.check_windows()
    return world


@settings(max_examples=200, deadline=None)
@given(steps)
def test_every_entry_is_delivered_once_and_in_order(script: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = await play(script)
        await world.finish()
        world.check_windows()
        for queue in world.backlog._queues.values():
            own = [entry.seq for entry in world.committed if entry.queue == queue.id]
            assert [entry.seq for entry in world.collector.got if entry.queue == queue.id] == own
        assert not world.backlog.unfinished(SERVICE)

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(steps)
def test_a_successor_gets_exactly_what_has_no_outcome(script: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = await play(script)
        await world.backlog.save_watermarks()
        finished = {entry.seq for entry in world.collector.got} - {entry.seq for entry in world.collector.waiting}
        successor = World()
        successor.store = world.store
        successor.backlog = Backlog(world.store, WINDOW)
        successor.backlog.recover(await world.store.queues())
        successor.backlog.attach(SERVICE, successor.collector)
        successor.committed = [entry for entry in world.committed if entry.seq not in finished]
        await successor.finish()
        assert sorted(e.seq for e in successor.collector.got) == [e.seq for e in successor.committed]

    asyncio.run(run())
