"""Strict order: an event that is tried again holds back its own key, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, RetryOrder, RetryPolicy, Supervision
from runtime import App, Enqueue, Running
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server

Run = tuple[str | None, int, int]


class Step(msgspec.Struct):
    n: int
    fail_until: int = 0
    write: bool = False


class Tally(msgspec.Struct):
    seen: list[int] = []


class Recorder(Actor):
    runs: ClassVar[list[Run]] = []

    async def step(self, step: Step) -> None:
        self.runs.append((self.ctx.key, step.n, self.ctx.attempt))
        if step.write:
            await self.db.execute("INSERT INTO line VALUES ($1)", step.n)
        await asyncio.sleep(0)
        if self.ctx.attempt <= step.fail_until:
            raise RuntimeError(f"step {step.n} failed")


class Keeper(Recorder):
    state: Tally

    async def step(self, step: Step) -> None:
        self.state.seen.append(step.n)
        await super().step(step)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Recorder.runs.clear()


def strict(*intervals: float) -> RetryPolicy:
    return RetryPolicy(intervals=intervals, order=RetryOrder.STRICT)


def recorder_app(actor: type[Actor] = Recorder, **settings: Any) -> App:
    app = App("test")
    app.tables("CREATE TABLE IF NOT EXISTS line (n int)")
    app.service("steps", actor, **{"slots": 4, "retry": strict(0.05, 0.05), **settings})
    return app


async def enqueue(app: App, *steps: Step, keys: int = 1, tenant: str = "t") -> None:
    many = [Enqueue(message=step, tenant=tenant, key=f"k{step.n % keys}") for step in steps]
    await app.enqueue_many("steps", many)


async def finish(running: Running) -> None:
    async with asyncio.timeout(30):
        await running.wait_idle("steps")


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # whatever the condition, it is looked at now and then
            await asyncio.sleep(0.005)


def of_key(key: str) -> list[tuple[int, int]]:
    return [(n, attempt) for name, n, attempt in Recorder.runs if name == key]


@pytest.mark.parametrize("chunk_size", [1, 10])
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("actor", [Recorder, Keeper])
async def test_later_events_of_the_key_wait_and_others_do_not(
    database: Server, admin: Connection, actor: type[Actor], chunk_size: int, *, write: bool
) -> None:
    app = recorder_app(actor, chunk_size=chunk_size, keyed=True, retry=strict(1.5, 0.0))
    async with run(app, database) as running:
        await enqueue(app, *(Step(n, 2 if n == 3 else 0, write) for n in range(20)), keys=3)
        await finish(running)
        assert running.machinery.services["steps"].fair.depth("t") == 0
        running.machinery.services["steps"].fair.validate()
        assert await running.outcome_counts("steps", 0) == [("t", 20, 20, 0)]
    own = list(range(0, 20, 3))
    assert of_key("k0") == [(0, 1), (3, 1), (3, 2), (3, 3), *((n, 1) for n in own[2:])]
    others = [place for place, (key, _, _) in enumerate(Recorder.runs) if key != "k0"]
    assert max(others) < Recorder.runs.index(("k0", 3, 3))
    assert await admin.fetchval("SELECT count(*) FROM line") == (20 if write else 0)
    assert await admin.fetchval("SELECT count(*) FROM postroom.hold") == 0
    if actor is Keeper:
        state = await admin.fetchval("SELECT state ->> 'seen' FROM postroom.state WHERE key = 'k0'")
        assert msgspec.json.decode(state) == own


async def test_a_dead_letter_lets_its_key_go_on(database: Server) -> None:
    app = recorder_app(chunk_size=5)
    async with run(app, database) as running:
        await enqueue(app, *(Step(n, 9 if n == 1 else 0) for n in range(4)))
        await finish(running)
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
    assert of_key("k0") == [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]
    assert letter.event.attempt == 3


async def test_events_without_a_key_are_tried_again_at_the_end(database: Server) -> None:
    app = recorder_app(slots=1)
    async with run(app, database) as running:
        await app.enqueue_many("steps", [Enqueue(message=Step(n, int(n == 0)), tenant="t") for n in range(3)])
        await finish(running)
    assert [n for _, n, _ in Recorder.runs] == [0, 1, 2, 0]


async def test_a_held_key_stays_held_over_a_restart_with_its_attempts(database: Server, admin: Connection) -> None:
    app = recorder_app(retry=strict(0.3, 0.0), slots=1)
    async with run(app, database) as running:
        await enqueue(app, Step(0, 2), *(Step(n) for n in range(1, 5)), keys=2)
        await until(lambda: len(Recorder.runs) == 3)  # the first one of k0, and both of k1
        await running.machinery.journal.flush()
    assert await admin.fetchval("SELECT attempt FROM postroom.hold") == 2
    async with run(app, database) as running:
        await enqueue(app, Step(6), Step(7), keys=2)
        await finish(running)
    assert of_key("k0") == [(0, 1), (0, 2), (0, 3), (2, 1), (4, 1), (6, 1)]
    assert of_key("k1") == [(1, 1), (3, 1), (7, 1)]
    [row] = await admin.fetch(
        "SELECT min(o.started_at) - min(e.accepted_at) AS pause FROM postroom.event_log e"
        " JOIN postroom.outcome o USING (seq) WHERE e.payload LIKE '{\"n\":0,%'"
    )
    assert row["pause"] >= 0.3


async def test_a_held_key_stays_held_when_its_service_restarts(database: Server) -> None:
    app = recorder_app(retry=strict(0.2), slots=1, supervision=Supervision(shutdown_seconds=1.0))
    async with run(app, database) as running:
        service = running.machinery.services["steps"]
        await enqueue(app, Step(0, 1), Step(1), Step(2))
        await until(lambda: len(Recorder.runs) == 1 and not service.busy)
        await service.stop(1.0)
        await service.start(lambda _reason: None)
        await finish(running)
    assert of_key("k0") == [(0, 1), (0, 2), (1, 1), (2, 1)]


async def test_a_held_key_with_more_waiting_than_a_window_holds_back_no_other_key(database: Server) -> None:
    app = recorder_app(retry=strict(1000.0), slots=2)
    async with run(app, database, window=10) as running:
        await enqueue(app, Step(0, 1), *(Step(n) for n in range(2, 120, 2)), keys=2)
        await enqueue(app, *(Step(n) for n in range(1, 60, 2)), keys=2)
        await until(lambda: len(of_key("k1")) == 30)
        assert of_key("k0") == [(0, 1)]
        assert len(running.machinery.services["steps"].fair) <= 10 * 10 + 10


async def test_order_and_window_hold_over_many_keys_that_fail(database: Server) -> None:
    app = recorder_app(retry=strict(0.01, 0.02), chunk_size=7)
    async with run(app, database, window=20) as running:
        await enqueue(app, *(Step(n, n % 3 if n % 5 == 0 else 0) for n in range(400)), keys=13)
        await finish(running)
        running.machinery.services["steps"].fair.validate()
        assert await running.outcome_counts("steps", 0) == [("t", 400, 400, 0)]
        lines = [line for queue in running.backlog._queues.values() for line in queue.lines]
        assert [(line.waiting, line.excused) for line in lines] == [(0, set())]
    for key in range(13):
        expected = []
        for n in range(key, 400, 13):
            fails = n % 3 if n % 5 == 0 else 0
            expected += [(n, attempt) for attempt in range(1, fails + 2)]
        assert of_key(f"k{key}") == expected
