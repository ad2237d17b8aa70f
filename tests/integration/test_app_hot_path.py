"""What the durable path does not spend on each event: tasks, futures, statements, decodings before their time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue
from tests.apps import run
from tests.postgres import Server

COUNT = 2_000
CHUNK = 50
SLOTS = 4


class Weight(msgspec.Struct):
    number: int
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Weight.made += 1


class Scales(Actor):
    """Waits at a gate."""

    gate: ClassVar[asyncio.Event]
    full: ClassVar[asyncio.Event]
    held: ClassVar[int] = 0

    async def weigh(self, weight: Weight) -> None:
        if not Scales.gate.is_set():
            Scales.held += 1
            if Scales.held == SLOTS:
                Scales.full.set()
            await Scales.gate.wait()


def scales_app() -> App:
    Weight.made = Scales.held = 0
    Scales.gate, Scales.full = asyncio.Event(), asyncio.Event()
    app = App("scales")
    app.service("weights", Scales, slots=SLOTS, chunk_size=CHUNK)
    return app


def weights() -> list[Enqueue]:
    return [Enqueue(message=Weight(number), tenant=f"t{number % 5}", key=f"k{number}") for number in range(COUNT)]


async def test_no_task_no_future_and_no_commit_is_made_for_each_event(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    made = {"tasks": 0, "futures": 0}
    make_future = loop.create_future

    def counted_task(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any] | Generator[Any, None, Any], /, **how: Any
    ) -> asyncio.Task[Any]:
        made["tasks"] += 1
        return asyncio.Task(work, loop=loop, **how)

    def counted_future() -> asyncio.Future[Any]:
        made["futures"] += 1
        return make_future()

    app = scales_app()
    Scales.gate.set()
    async with run(app, database) as running:
        await app.enqueue_many("weights", weights()[:10])
        await running.wait_idle("weights")
        before = await commits(running.database)
        monkeypatch.setattr(loop, "create_future", counted_future)
        loop.set_task_factory(counted_task)
        await app.enqueue_many("weights", weights())
        await running.wait_idle("weights")
        loop.set_task_factory(None)
        monkeypatch.undo()
        spent = await commits(running.database) - before
    assert made["tasks"] < COUNT / 20
    assert made["futures"] < COUNT / 10
    assert spent < COUNT / 20


async def commits(database: Any) -> int:
    """How many numbers of transactions were used: only what writes takes one."""
    return int(await database.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))


async def test_a_payload_is_decoded_once_and_not_before_its_turn(database: Server) -> None:
    app = scales_app()
    async with run(app, database) as running:
        many = weights()
        assert Weight.made == COUNT
        await app.enqueue_many("weights", many)
        await Scales.full.wait()
        assert Weight.made == COUNT + SLOTS, "one for each slot at work"
        Scales.gate.set()
        await running.wait_idle("weights")
        assert Weight.made == 2 * COUNT
