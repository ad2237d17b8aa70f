"""Several processes share one database: here each is an app with its own store, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue, Running
from runtime.core.lease import DEFAULT_SHARDS
from runtime.errors import AppStoppedError
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server

KEYS = [f"k{n}" for n in range(40)]
PATIENCE_SECONDS = 20.0


class Step(msgspec.Struct):
    n: int


class World:
    """What the handlers of all apps did, and what holds them up."""

    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.by: dict[str, set[str]] = defaultdict(set)
        self.inside: set[str] = set()
        self.has_zombie = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    def app(self, name: str) -> App:
        world = self

        class Walker(Actor):
            async def step(self, step: Step) -> None:
                key = self.ctx.key
                assert key is not None
                assert key not in world.inside or world.has_zombie, "two processes handle one key at the same time"
                world.inside.add(key)
                await world.go_on.wait()
                await asyncio.sleep(0)
                world.seen[key].append(step.n)
                world.by[key].add(name)
                world.inside.discard(key)

        app = App("test")
        app.service("steps", Walker, keyed=True, slots=8, chunk_size=3)
        return app


@pytest.fixture
async def world() -> World:
    return World()


@contextlib.asynccontextmanager
async def running(world: World, database: Server, name: str) -> AsyncIterator[tuple[App, Running]]:
    app = world.app(name)
    async with run(app, database) as each:
        yield app, each


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 # it is other processes' doing, which can only be looked at
            await asyncio.sleep(0.01)


def shards(*apps: Running) -> list[int]:
    owned = [app.backlog.shards for app in apps]
    assert sum(map(len, owned)) == len(frozenset().union(*owned)), "a shard is served twice"
    return sorted(map(len, owned))


async def walk(app: App, first: int, count: int) -> None:
    for n in range(first, first + count):
        await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="acme", key=key) for key in KEYS])


async def walk_until(end: asyncio.Event, app: App) -> int:
    """Walk on; returns the steps of each key."""
    for n in itertools.count():
        await walk(app, n, 1)
        if end.is_set():
            return n + 1
    raise AssertionError


async def test_members_own_equal_parts_and_each_gets_what_any_of_them_accepts(world: World, database: Server) -> None:
    async with running(world, database, "one") as (one, first), running(world, database, "two") as (two, second):
        await until(lambda: shards(first, second) == [32, 32])
        async with running(world, database, "three") as (_, third):
            await until(lambda: shards(first, second, third) == [21, 21, 22])
            for app in (one, two):
                await app.enqueue_many("steps", [Enqueue(message=Step(0), tenant="acme", key=key) for key in KEYS])
            await first.wait_idle("steps")
            await third.wait_idle("steps")
            assert {key: len(seen) for key, seen in world.seen.items()} == dict.fromkeys(KEYS, 2)
            assert set().union(*world.by.values()) == {"one", "two", "three"}
            assert all(len(names) == 1 for names in world.by.values())
        await until(lambda: shards(first, second) == [32, 32])
    async with running(world, database, "four") as (_, fourth):
        assert shards(fourth) == [DEFAULT_SHARDS]


async def test_order_of_keys_holds_while_members_join_and_leave(
    world: World, database: Server, admin: Connection
) -> None:
    async with running(world, database, "one") as (one, first):
        arrived = asyncio.Event()
        walking = asyncio.create_task(walk_until(arrived, one))
        for name in ("two", "three"):
            async with running(world, database, name):
                await until(lambda: name in set().union(*world.by.values()))  # noqa: B023 # called before the next turn
        arrived.set()
        count = await walking
        await first.wait_idle("steps")
    assert world.seen == {key: list(range(count)) for key in KEYS}
    assert max(len(names) for names in world.by.values()) > 1
    assert await admin.fetchval("SELECT count(*) FROM postroom.outcome") == count * len(KEYS)


async def test_a_handler_that_does_not_end_keeps_its_shard_and_nothing_else(
    world: World, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.durable.hand_over.PATIENCE_SECONDS", 0.1)
    async with running(world, database, "one") as (one, first):
        world.go_on.clear()
        await one.enqueue("steps", Step(0), tenant="acme", key="k0")
        await until(lambda: bool(world.inside))
        async with running(world, database, "two") as (_, second):
            await until(lambda: shards(first, second) == [32, 32])
            world.go_on.set()
            await first.wait_idle("steps")
    assert world.by["k0"] == {"one"}


async def test_delayed_events_of_shards_of_others_are_released_by_them(world: World, database: Server) -> None:
    async with running(world, database, "one") as (one, first), running(world, database, "two") as (_, second):
        await until(lambda: shards(first, second) == [32, 32])
        for key in KEYS:
            await one.enqueue("steps", Step(1), tenant="acme", key=key, delay_seconds=0.2)
        await second.wait_idle("steps")
        assert world.seen == {key: [1] for key in KEYS}
        assert set().union(*world.by.values()) == {"one", "two"}


async def test_watermarks_reach_the_end_when_all_have_handled_their_part(
    world: World, database: Server, admin: Connection
) -> None:
    async with running(world, database, "one") as (one, first), running(world, database, "two") as (_, second):
        await until(lambda: shards(first, second) == [32, 32])
        await walk(one, 0, 5)
        await first.wait_idle("steps")
    assert await admin.fetchval("SELECT watermark FROM postroom.queue") == 5 * len(KEYS)


async def test_a_member_that_is_fenced_ends_and_writes_nothing_more(
    world: World, database: Server, admin: Connection
) -> None:
    async with running(world, database, "one") as (one, first), running(world, database, "two") as (_, second):
        await until(lambda: shards(first, second) == [32, 32])
        world.go_on.clear()
        for key in KEYS:
            await one.enqueue("steps", Step(0), tenant="acme", key=key)
        await until(lambda: len(world.inside) == 16)
        world.has_zombie = True
        await admin.execute("DELETE FROM postroom.member WHERE incarnation = $1", first.incarnation)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(AppStoppedError, match="took it for dead"):
                await first.wait_idle("steps")
            reason = await first.wait_stopped()
        assert "took it for dead" in str(reason)
        world.go_on.set()
        await until(lambda: shards(second) == [DEFAULT_SHARDS])
        await second.wait_idle("steps")
    assert await admin.fetchval("SELECT count(*) FROM postroom.outcome") == len(KEYS)
    assert set().union(*world.by.values()) == {"one", "two"}
    assert all("two" in names for names in world.by.values())
