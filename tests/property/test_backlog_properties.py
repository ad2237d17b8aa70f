"""However commits, hand-overs, refills and completions interleave, every entry is delivered once and in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.fair_share import Taken
from runtime.core.lease import DEFAULT_SHARDS
from runtime.durable.backlog import Backlog
from runtime.store.memory import MemoryStore
from runtime.store.memory_database import MemoryDatabase
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

    async def learn_holds(self) -> None:
        """Nothing is held."""


class World:
    """A store, a backlog, and commits whose hand-over is still to come."""

    most_waiting = WINDOW

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.collector = Collector()
        self.committed: list[Entry] = []
        self.unadmitted: deque[list[Entry]] = deque()
        self.backlog = Backlog(self.store, WINDOW)

    async def begin(self) -> None:
        await self.store.open()
        await self.store.acquire_lease(new_id())
        await self.backlog.grant(frozenset(range(DEFAULT_SHARDS)), await self.store.queues())
        self.backlog.attach(SERVICE, self.collector)

    async def commit(self, count: int, tenant: int) -> None:
        events = [make_event(service=SERVICE, tenant=f"t{tenant}") for _ in range(count)]
        entries = await self.store.commit(Batch(events=events))
        self.committed += entries
        self.unadmitted.append(entries)

    async def admit(self) -> None:
        if self.unadmitted:
            await self.backlog.admit(self.unadmitted.popleft())

    async def refill(self) -> None:
        for queue_id in list(self.backlog._hungry):
            await self.backlog._refill(self.backlog._queues[queue_id])

    async def complete(self, count: int) -> None:
        waiting = self.collector.waiting
        entries = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        for entry in entries:
            self.backlog.started(entry.queue, [Taken(entry.event.tenant, entry.event.key, entry)])
        await self.store.commit(Batch(outcomes=[Outcome(e.seq, OutcomeKind.DONE, NOW, NOW) for e in entries]))
        for entry in entries:
            self.backlog.recorded(entry.queue, [entry.seq])

    async def finish(self) -> None:
        while self.unadmitted:
            await self.admit()
        while len(self.collector.got) < len(self.committed):
            before = len(self.collector.got), len(self.collector.waiting)
            await self.refill()
            await self.complete(3)
            assert (len(self.collector.got), len(self.collector.waiting)) != before, "stuck"
        await self.complete(len(self.collector.waiting))

    def check_windows(self) -> None:
        for queue in self.backlog._queues.values():
            for line in queue.lines:
                waiting = [entry for entry in self.collector.waiting if entry.queue == queue.id]
                own = [entry for entry in waiting if self.backlog.shard(entry) in line.shards]
                assert line.waiting == len(own) <= self.most_waiting
                line.watermark.validate()


class SharedWorld(World):
    """The same beside another process that appends to the log and owns some of the shards at times."""

    most_waiting = 8 * WINDOW
    """A window for each of the groups in which shards come, until it has been worked off."""

    def __init__(self) -> None:
        super().__init__()
        database = MemoryDatabase()
        self.store = MemoryStore(database)
        self.other = MemoryStore(database)
        self.backlog = Backlog(self.store, WINDOW)
        self.completed: list[Entry] = []

    async def begin(self) -> None:
        await super().begin()
        await self.other.open()
        await self.other.join(new_id())

    async def foreign(self, count: int, tenant: int) -> None:
        events = [make_event(service=SERVICE, tenant=f"t{tenant}", key=f"k{n % 3}") for n in range(count)]
        self.committed += await self.other.commit(Batch(events=events))

    async def commit(self, count: int, tenant: int) -> None:
        await self.admit()  # one at a time
        events = [make_event(service=SERVICE, tenant=f"t{tenant}", key=f"k{n % 3}") for n in range(count)]
        entries = await self.store.commit(Batch(events=events))
        self.committed += entries
        self.unadmitted.append(entries)

    async def catch_up(self) -> None:
        await self.admit()
        while await self.backlog.catch_up():
            pass

    async def give_up(self, some: int) -> None:
        shards = frozenset(shard for shard in self.backlog.shards if some >> shard % 8 & 1)
        waiting = [entry for entry in self.collector.waiting if self.backlog.shard(entry) in shards]
        self.collector.waiting = deque(entry for entry in self.collector.waiting if entry not in waiting)
        await self.store.give_up_shards(shards)
        self.backlog.give_up(shards, waiting)
        await self.other.take_shards(shards)

    async def take(self, some: int) -> None:
        await self.admit()
        shards = [shard for shard in range(DEFAULT_SHARDS) if some >> shard % 8 & 1]
        await self.other.give_up_shards(shards)
        taken = await self.store.take_shards(shards)
        await self.backlog.grant(taken.shards, await self.store.queues())

    async def complete(self, count: int) -> None:
        self.completed += list(self.collector.waiting)[:count]
        await super().complete(count)

    async def finish(self) -> None:
        await self.take(255)
        await self.catch_up()
        while len(self.completed) < len(self.committed):
            before = len(self.completed), len(self.collector.got)
            for _ in range(8):  # each looks after one group of shards
                await self.refill()
            await self.complete(3)
            assert (len(self.completed), len(self.collector.got)) != before, "stuck"
        await self.catch_up()
        while self.backlog._hungry:
            await self.refill()
        await self.backlog.save_watermarks()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 25), st.integers(0, 2)),
        st.tuples(st.just("admit")),
        st.tuples(st.just("refill")),
        st.tuples(st.just("complete"), st.integers(1, 15)),
    ),
    max_size=40,
)


shared_steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 25), st.integers(0, 2)),
        st.tuples(st.just("foreign"), st.integers(1, 25), st.integers(0, 2)),
        st.tuples(st.just("admit")),
        st.tuples(st.just("catch_up")),
        st.tuples(st.just("refill")),
        st.tuples(st.just("complete"), st.integers(1, 15)),
        st.tuples(st.just("give_up"), st.integers(0, 255)),
        st.tuples(st.just("take"), st.integers(0, 255)),
    ),
    max_size=40,
)


async def play(script: list[tuple[Any, ...]], world: World) -> World:
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
        world = await play(script, World())
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
        world = await play(script, World())
        await world.backlog.save_watermarks()
        finished = {entry.seq for entry in world.collector.got} - {entry.seq for entry in world.collector.waiting}
        successor = World()
        successor.store = world.store
        successor.backlog = Backlog(world.store, WINDOW)
        await successor.backlog.grant(frozenset(range(DEFAULT_SHARDS)), await world.store.queues())
        successor.backlog.attach(SERVICE, successor.collector)
        successor.committed = [entry for entry in world.committed if entry.seq not in finished]
        await successor.finish()
        assert sorted(e.seq for e in successor.collector.got) == [e.seq for e in successor.committed]

    asyncio.run(run())


@settings(max_examples=300, deadline=None)
@given(shared_steps)
def test_every_entry_is_handled_once_and_in_order_of_its_key_while_shards_move(script: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = SharedWorld()
        await play(script, world)
        await world.finish()
        world.check_windows()
        for key in {(entry.event.tenant, entry.event.key) for entry in world.committed}:
            own = [entry.seq for entry in world.committed if (entry.event.tenant, entry.event.key) == key]
            assert [e.seq for e in world.completed if (e.event.tenant, e.event.key) == key] == sorted(own)
        assert not world.backlog.unfinished(SERVICE)
        assert all(state.watermark == state.last_seq for state in await world.store.queues())
        world.backlog.unite()
        assert all(len(queue.lines) == 1 for queue in world.backlog._queues.values())

    asyncio.run(run())
