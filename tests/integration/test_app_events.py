"""Durable events through a real app: outcomes, order, retries, dead letters."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, Backoff, RetryPolicy, Supervision
from runtime import App, Enqueue, Running
from runtime.durable.ids import IdSource
from runtime.errors import InvalidInputError
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from tests.apps import run, services_node
from tests.postgres import Server

QUICK = RetryPolicy(attempts=3, backoff=Backoff(initial_seconds=0.01, max_seconds=0.02))


class Step(msgspec.Struct):
    n: int
    fail_until: int = 0


class StepFailedError(Exception):
    pass


class Recorder(Actor):
    seen: ClassVar[list[tuple[str | None, int, int]]] = []
    lives: ClassVar[list[str]] = []

    async def on_start(self) -> None:
        self.count = 0
        self.lives.append("start")

    async def on_restart(self, reason: BaseException) -> None:
        self.lives.append(f"restart after {reason}")

    async def step(self, step: Step) -> None:
        self.count += 1
        self.seen.append((self.ctx.key, step.n, self.ctx.attempt))
        if self.ctx.attempt <= step.fail_until:
            raise StepFailedError(f"step {step.n} failed")


@pytest.fixture(autouse=True)
def _forget() -> None:
    Recorder.seen.clear()
    Recorder.lives.clear()


def recorder_app(**settings: Any) -> App:
    app = App("test")
    app.service("steps", Recorder, **{"keyed": True, "slots": 4, "retry": QUICK, **settings})
    return app


def steps(count: int, keys: int = 5, **fields: Any) -> list[Enqueue]:
    return [Enqueue(message=Step(n, **fields), tenant=f"t{n % 3}", key=f"k{n % keys}") for n in range(count)]


async def outcomes(admin: Connection) -> dict[str, int]:
    rows = await admin.fetch("SELECT kind, count(*) FROM postroom.outcome GROUP BY kind")
    kinds = {1: "done", 2: "retry", 3: "dead"}
    return {kinds[row[0]]: row[1] for row in rows}


async def finish(running: Running, service: str = "steps") -> None:
    async with asyncio.timeout(30):
        await running.wait_idle(service)


@pytest.mark.parametrize(("keyed", "chunk_size"), [(True, 1), (True, 20), (False, 1), (False, 20)])
async def test_every_event_is_done_once_and_in_order_per_key(
    database: Server, admin: Connection, *, keyed: bool, chunk_size: int
) -> None:
    app = recorder_app(keyed=keyed, chunk_size=chunk_size)
    async with run(app, database) as running:
        await app.enqueue_many("steps", steps(300))
        await finish(running)
        counts = await running.outcome_counts("steps", 0)
    assert await outcomes(admin) == {"done": 300}
    assert counts == [("t0", 100, 100, 0), ("t1", 100, 100, 0), ("t2", 100, 100, 0)]
    for tenant in range(3):
        for key in range(5):
            own = [n for name, n, _ in Recorder.seen if name == f"k{key}" and n % 3 == tenant]
            assert own == sorted(own)
            assert len(own) == 20


async def test_enqueueing_twice_with_one_id_is_harmless(database: Server, admin: Connection) -> None:
    app, identity = recorder_app(), IdSource().new_id()
    async with run(app, database) as running:
        for _ in range(3):
            assert await app.enqueue("steps", Step(1), tenant="t", key="k", id=identity) == identity
        await finish(running)
        await app.enqueue("steps", Step(1), tenant="t", key="k", id=identity)
        await finish(running)
    assert await outcomes(admin) == {"done": 1}


async def test_a_failed_event_is_tried_again_by_a_fresh_actor(database: Server, admin: Connection) -> None:
    app = recorder_app()
    async with run(app, database) as running:
        await app.enqueue("steps", Step(7, fail_until=2), tenant="t", key="k")
        await finish(running)
        service = services_node(running).children[0]
    assert [attempt for _, _, attempt in Recorder.seen] == [1, 2, 3]
    assert Recorder.lives == ["start", *["start", "restart after step 7 failed"] * 2]
    assert await outcomes(admin) == {"retry": 2, "done": 1}
    assert (service.name, service.restarts) == ("steps", 2)
    assert service.last_reason == "StepFailedError: step 7 failed"


async def test_an_event_that_keeps_failing_becomes_a_dead_letter_with_its_story(database: Server) -> None:
    app = recorder_app()
    async with run(app, database) as running:
        event_id = await app.enqueue("steps", Step(7, fail_until=9), tenant="t", key="k", by="ann")
        await finish(running)
        [listed] = await running.operations.dead_letters(DeadLetterFilter())
        shown = await running.operations.dead_letter(event_id)
    assert listed.event.id == event_id
    assert (shown.event.tenant, shown.event.key, shown.event.enqueued_by) == ("t", "k", "ann")
    assert [attempt.outcome for attempt in shown.attempts] == ["retry", "retry", "dead"]
    assert shown.cause.type.endswith("StepFailedError")
    assert "raise StepFailedError" in shown.cause.stack
    assert "run_queue" not in shown.cause.stack


async def test_an_exception_that_cannot_be_shown_or_stored_as_it_is_costs_its_event_alone(
    database: Server, admin: Connection
) -> None:
    class SpeechlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    class Thrower(Actor):
        async def step(self, step: Step) -> None:
            raise SpeechlessError if step.n else ValueError("\0 \ud800")

    app = App("test")
    app.service("steps", Thrower, retry=RetryPolicy(attempts=1))
    async with run(app, database) as running:
        await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t") for n in range(2)])
        await finish(running)
        letters = await running.operations.dead_letters(DeadLetterFilter())
        assert services_node(running).restarts == 0
    assert await outcomes(admin) == {"dead": 2}
    assert sorted(letter.cause.message for letter in letters) == ["", "\\x00 \\ud800"]


async def test_an_exception_declared_permanent_is_not_tried_again(database: Server, admin: Connection) -> None:
    app = recorder_app(retry=RetryPolicy(attempts=5, permanent=(StepFailedError,)))
    async with run(app, database) as running:
        await app.enqueue("steps", Step(7, fail_until=9), tenant="t", key="k")
        await finish(running)
    assert await outcomes(admin) == {"dead": 1}


async def test_an_actor_that_stops_itself_leaves_no_event_of_its_chunk_behind(
    database: Server, admin: Connection
) -> None:
    class Quitter(Recorder):
        async def step(self, step: Step) -> None:
            self.seen.append((self.ctx.key, step.n, self.ctx.attempt))
            self.ctx.stop()

    app = App("test")
    app.service("steps", Quitter, keyed=True, chunk_size=10)
    async with run(app, database) as running:
        await app.enqueue_many("steps", steps(40, keys=1))
        await finish(running)
    assert await outcomes(admin) == {"done": 40}
    assert len(Recorder.seen) == 40


async def test_one_tenants_poison_does_not_take_the_service_down(database: Server, admin: Connection) -> None:
    app = recorder_app(retry=RetryPolicy(attempts=1))
    async with run(app, database) as running:
        await app.enqueue_many("steps", steps(200, fail_until=9))
        await app.enqueue("steps", Step(1), tenant="quiet", key="k")
        await finish(running)
        services = services_node(running)
    assert await outcomes(admin) == {"dead": 200, "done": 1}
    assert services.restarts == 0


async def test_replay_with_a_repaired_payload_ends_in_done_and_names_who_did_it(database: Server) -> None:
    app = recorder_app(retry=RetryPolicy(attempts=1))
    async with run(app, database) as running:
        event_id = await app.enqueue("steps", Step(7, fail_until=9), tenant="t", key="k")
        await finish(running)
        with pytest.raises(InvalidInputError, match=r"payload\.n: Expected `int`"):
            await running.operations.replay(event_id, by="bob", payload=b'{"n": "x"}')
        new_id = await running.operations.replay(event_id, by="bob", payload=b'{"n": 7}')
        await finish(running)
        shown = await running.operations.dead_letter(event_id)
    assert (shown.state, shown.replayed_as, shown.replay_outcome) == ("replayed", new_id, "done")
    assert [(record.action, record.by) for record in shown.audit] == [("replay", "bob")]


async def test_a_stored_event_that_no_longer_decodes_becomes_a_dead_letter(database: Server) -> None:
    class Old(Actor):
        async def take(self, event: dict[str, Any]) -> None: ...

    app = App("test")
    app.service("steps", Old, retry=QUICK)
    async with run(app, database) as running:
        running.machinery.services["steps"].pump = lambda: None  # type: ignore[method-assign] # nothing is handled
        await app.enqueue("steps", {"n": 1}, tenant="t", key="k")
    async with run(recorder_app(), database) as running:
        await finish(running)
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
    assert letter.cause.type.endswith("UndecodableError")
    assert Recorder.seen == []


async def test_a_backlog_above_the_window_is_handled_in_order(database: Server, admin: Connection) -> None:
    app = recorder_app(slots=2)
    async with run(app, database, window=10) as running:
        await app.enqueue_many("steps", steps(500, keys=3))
        await finish(running)
    assert await outcomes(admin) == {"done": 500}
    for key in range(3):
        own = [n for name, n, _ in Recorder.seen if name == f"k{key}"]
        assert own == sorted(own)


async def test_a_delayed_event_waits_until_it_is_due(database: Server, admin: Connection) -> None:
    app = recorder_app()
    async with run(app, database) as running:
        await app.enqueue("steps", Step(1), tenant="t", key="k", delay_seconds=0.2)
        await app.enqueue("steps", Step(2), tenant="t", key="k")
        await finish(running)
    assert [n for _, n, _ in Recorder.seen] == [2, 1]
    [row] = await admin.fetch(
        "SELECT min(o.started_at) - min(e.accepted_at) FROM postroom.event_log e"
        ' JOIN postroom.outcome o USING (seq) WHERE e.payload = \'{"n":1,"fail_until":0}\''
    )
    assert row[0] >= 0.2


async def test_what_was_waiting_is_handled_after_a_restart(database: Server, admin: Connection) -> None:
    entered = asyncio.Event()

    class Stuck(Actor):
        async def step(self, step: Step) -> None:
            entered.set()
            await asyncio.Event().wait()

    stuck = App("test")
    stuck.service("steps", Stuck, keyed=True, supervision=Supervision(shutdown_seconds=0.1))
    async with run(stuck, database):
        await stuck.enqueue_many("steps", steps(100))
        await entered.wait()
    assert await outcomes(admin) == {}
    async with run(recorder_app(), database) as running:
        await finish(running)
    assert await outcomes(admin) == {"done": 100}
