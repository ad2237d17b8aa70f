"""Retries as a service's policy and its handlers have them: pauses, deadlines, time limits."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, HandlerTimeoutError, Request, RetryLaterError, RetryPolicy, SpecError
from runtime import App, Running
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter, DeadLetterView
from tests.apps import run, services_node
from tests.postgres import Server


class Job(msgspec.Struct):
    then: str = ""


class Look(Request[str]):
    pass


class Worker(Actor):
    attempts: ClassVar[list[int]] = []
    cleaned: ClassVar[list[int]] = []

    async def work(self, job: Job) -> None:
        self.attempts.append(self.ctx.attempt)
        match job.then:
            case "raise":
                raise RuntimeError("no")
            case "later":
                if self.ctx.attempt == 1:
                    raise RetryLaterError("rate limited", after_seconds=0.05)
            case "hang":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cleaned.append(self.ctx.attempt)
            case "own timeout":
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            case _:
                pass

    async def look(self, _: Look) -> str:
        await asyncio.sleep(0.15)
        return "seen"


@pytest.fixture(autouse=True)
def _forget() -> None:
    Worker.attempts.clear()
    Worker.cleaned.clear()


def worker_app(**settings: Any) -> App:
    app = App("test")
    app.service("works", Worker, slots=2, **settings)
    return app


async def send(app: App, running: Running, *jobs: Job) -> None:
    for job in jobs:
        await app.enqueue("works", job, tenant="t")
    async with asyncio.timeout(30):
        await running.wait_idle("works")


async def dead(running: Running) -> DeadLetterView:
    [letter] = await running.operations.dead_letters(DeadLetterFilter())
    return letter


async def test_intervals_are_kept(database: Server, admin: Connection) -> None:
    app = worker_app(retry=RetryPolicy(intervals=(0.05, 0.15)))
    async with run(app, database) as running:
        await send(app, running, Job("raise"))
        letter = await dead(running)
    assert Worker.attempts == [1, 2, 3]
    assert letter.cause.stack.endswith("Not tried again: attempt 3 of 3 failed.")
    rows = await admin.fetch("SELECT started_at, finished_at FROM postroom.outcome ORDER BY seq")
    pauses = [rows[n + 1]["started_at"] - rows[n]["finished_at"] for n in range(2)]
    assert pauses[0] >= 0.05
    assert pauses[1] >= 0.15


async def test_a_deadline_ends_the_attempts(database: Server) -> None:
    app = worker_app(retry=RetryPolicy(attempts=100, intervals=(0.05, 1000.0), deadline_seconds=60))
    async with run(app, database) as running:
        await send(app, running, Job("raise"))
        letter = await dead(running)
    assert Worker.attempts == [1, 2]
    assert "would come later than 60 s after the event was accepted" in letter.cause.stack


async def test_a_handler_asks_for_a_pause_of_its_own(database: Server, admin: Connection) -> None:
    app = worker_app(retry=RetryPolicy(intervals=(1000.0,)))
    async with run(app, database) as running:
        await send(app, running, Job("later"))
    assert Worker.attempts == [1, 2]
    errors = [row["error"] for row in await admin.fetch("SELECT error FROM postroom.outcome ORDER BY seq")]
    assert errors == ["RetryLaterError: rate limited (again after 0.05 s)", None]


async def test_a_handler_that_takes_too_long_is_cancelled_alone_and_its_event_has_failed(database: Server) -> None:
    app = worker_app(timeout_seconds=0.1, retry=RetryPolicy(intervals=(0.0,)))
    async with run(app, database) as running:
        look = asyncio.create_task(app.ref("works").ask(Look()))
        await send(app, running, Job("hang"), Job())
        letter = await dead(running)
        assert await look == "seen"
        assert services_node(running).children[0].state == "running"
    assert Worker.cleaned == [1, 2]
    assert sorted(Worker.attempts) == [1, 1, 2]
    assert letter.cause.type == f"{HandlerTimeoutError.__module__}.HandlerTimeoutError"
    assert letter.cause.message == "Worker: the handler of Job took longer than 0.1 s and was cancelled"


async def test_a_time_limit_of_the_handlers_own_is_no_limit_of_the_service(database: Server) -> None:
    app = worker_app(timeout_seconds=30.0, retry=RetryPolicy(attempts=1))
    async with run(app, database) as running:
        await send(app, running, Job("own timeout"))
        assert (await dead(running)).cause.type == "TimeoutError"


async def test_a_time_limit_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="timeout_seconds: must be a finite number above 0"):
        worker_app(timeout_seconds=0)
