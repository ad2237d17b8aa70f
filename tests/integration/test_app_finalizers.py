"""Finalizers: how a job ended is told in the commit that ends it; they may enqueue it again; chains have an end."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, Finalizer, JobCause, JobEnded, RetryPolicy, SpecError
from runtime import App, Running
from runtime.errors import InvalidInputError, UnknownServiceError
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server

ONCE = RetryPolicy(attempts=1)


class Work(msgspec.Struct):
    fail: bool = False
    fail_times: int = 0


class Answer(msgspec.Struct):
    value: int


class Worker(Actor):
    runs: ClassVar[int] = 0

    async def work(self, work: Work) -> Answer:
        Worker.runs += 1
        if work.fail or Worker.runs <= work.fail_times:
            raise ValueError("no luck")
        return Answer(7)


class Unserializable(Actor):
    async def work(self, _: Work) -> object:
        return object()


class Closer(Actor):
    """Notes what it is told; `again` is how often it enqueues a job again."""

    told: ClassVar[list[JobEnded]] = []
    keys: ClassVar[list[str | None]] = []
    again: ClassVar[int] = 0

    async def close(self, ended: JobEnded) -> None:
        self.told.append(ended)
        self.keys.append(self.ctx.key)
        if len(self.told) <= Closer.again:
            await self.ctx.reenqueue(ended)


class Loose(Actor):
    told: ClassVar[list[dict[str, Any]]] = []

    async def take(self, event: dict[str, Any]) -> None:
        self.told.append(event)


class Link(msgspec.Struct):
    n: int


class Chain(Actor):
    async def go(self, link: Link) -> None:
        self.ctx.emit("chain", Link(link.n + 1))


@pytest.fixture(autouse=True)
def _forget() -> None:
    Worker.runs = Closer.again = 0
    Closer.told.clear()
    Closer.keys.clear()
    Loose.told.clear()


def make_app(**settings: Any) -> App:
    app = App("test")
    app.service("work", Worker, retry=ONCE, **settings)
    app.service("broken", Unserializable, finalizer=Finalizer(service="closer"))
    app.service("closer", Closer, retry=ONCE)
    app.service("keyed", Closer, keyed=True)
    app.service("loose", Loose)
    app.service("chain", Chain, retry=ONCE)
    return app


async def finish(running: Running, *services: str) -> None:
    async with asyncio.timeout(30):
        for _ in range(2):  # a service that is idle may be given work by one that was not
            for service in services:
                await running.wait_idle(service)


async def test_a_finalizer_is_told_the_result_and_its_context(database: Server) -> None:
    app = make_app()
    finalizer = Finalizer(service="closer", key="k", context={"order": 12})
    async with run(app, database) as running:
        job = await app.enqueue("work", Work(), tenant="t", finalizer=finalizer)
        await finish(running, "work", "closer")
    [told] = Closer.told
    assert told == JobEnded(
        job=job,
        service="work",
        type="Work",
        outcome="completed",
        attempts=1,
        result={"value": 7},
        context={"order": 12},
    )
    assert msgspec.convert(told.result, Answer) == Answer(7)
    assert Closer.keys == ["k"]


async def test_a_finalizer_is_told_the_cause_of_a_failure_after_the_last_attempt(database: Server) -> None:
    app = make_app(finalizer=Finalizer(service="loose"))
    async with run(app, database) as running:
        job = await app.enqueue("work", Work(fail=True), tenant="t", key="k")
        await finish(running, "work", "loose")
    [told] = Loose.told
    assert (told["job"], told["outcome"], told["key"]) == (str(job), "failed", "k")
    assert told["cause"] == {"type": "ValueError", "message": "no luck"}


async def test_a_jobs_own_finalizer_and_the_services_are_both_told(database: Server) -> None:
    app = make_app(finalizer=Finalizer(service="loose"))
    async with run(app, database) as running:
        await app.enqueue("work", Work(), tenant="t", finalizer=Finalizer(service="closer"))
        await finish(running, "work", "closer", "loose")
    assert len(Closer.told) == len(Loose.told) == 1


async def test_a_keyed_finalizer_takes_the_jobs_key_or_its_id(database: Server) -> None:
    app = make_app(finalizer=Finalizer(service="keyed"))
    async with run(app, database) as running:
        await app.enqueue("work", Work(), tenant="t", key="mine")
        job = await app.enqueue("work", Work(), tenant="t")
        await finish(running, "work", "keyed")
    assert sorted(map(str, Closer.keys)) == sorted(["mine", str(job)])


async def test_a_failed_job_is_enqueued_again_five_times_in_a_row_and_no_more(
    database: Server, admin: Connection
) -> None:
    Closer.again = 100
    app = make_app()
    async with run(app, database) as running:
        await app.enqueue("work", Work(fail=True), tenant="t", finalizer=Finalizer(service="closer"))
        for _ in range(7):
            await finish(running, "work", "closer")
        [letter] = await running.operations.dead_letters(DeadLetterFilter(service="closer"))
    assert [told.reenqueued for told in Closer.told] == [0, 1, 2, 3, 4, 5]
    assert letter.cause.message.startswith("reenqueued: job ")
    assert await admin.fetchval("SELECT count(*) FROM postroom.event_log WHERE origin IS NOT NULL") == 5
    assert await admin.fetchval("SELECT max(depth) FROM postroom.event_log") is None


async def test_a_success_sets_the_count_of_re_enqueues_back(database: Server) -> None:
    Closer.again = 4
    app = make_app()
    async with run(app, database) as running:
        await app.enqueue("work", Work(fail_times=2), tenant="t", finalizer=Finalizer(service="closer"))
        for _ in range(6):
            await finish(running, "work", "closer")
    assert [(told.outcome, told.reenqueued) for told in Closer.told] == [
        ("failed", 0),
        ("failed", 1),
        ("completed", 2),
        ("completed", 0),
        ("completed", 0),
    ]


async def test_a_result_that_is_no_json_is_a_failure_that_is_not_tried_again(database: Server) -> None:
    app = make_app()
    async with run(app, database) as running:
        await app.enqueue("broken", Work(), tenant="t")
        await finish(running, "broken", "closer")
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
    assert letter.cause.type.endswith("ResultError")
    assert [told.outcome for told in Closer.told] == ["failed"]


async def test_a_result_over_the_limit_is_a_failure(database: Server) -> None:
    app = make_app(finalizer=Finalizer(service="closer"))
    async with run(app, database, max_result_bytes=5) as running:
        await app.enqueue("work", Work(), tenant="t")
        await finish(running, "work", "closer")
    assert Closer.told[0].cause == JobCause(
        "runtime.durable.endings.ResultError", "the result of work is 11 bytes; the limit is 5"
    )


async def test_a_finalizer_that_dies_is_not_told_of_itself(database: Server) -> None:
    app = App("test")
    app.service("work", Worker, retry=ONCE)
    app.service("closer", Worker, retry=ONCE, finalizer=Finalizer(service="loose"))
    app.service("loose", Loose, finalizer=Finalizer(service="loose"))
    async with run(app, database) as running:
        await app.enqueue("closer", Work(), tenant="t")
        await finish(running, "closer", "loose")
    assert len(Loose.told) == 1


async def test_a_replay_tells_the_finalizer_again(database: Server) -> None:
    app = make_app()
    async with run(app, database) as running:
        job = await app.enqueue("work", Work(fail_times=1), tenant="t", finalizer=Finalizer(service="closer"))
        await finish(running, "work", "closer")
        again = await running.operations.replay(job, by="ann")
        await finish(running, "work", "closer")
    assert [(told.job, told.origin, told.outcome) for told in Closer.told] == [
        (job, None, "failed"),
        (again, job, "completed"),
    ]


async def test_a_chain_of_handlers_ends_at_the_maximal_depth(database: Server, admin: Connection) -> None:
    app = make_app()
    async with run(app, database, max_depth=3) as running:
        await app.enqueue("chain", Link(0), tenant="t")
        await finish(running, "chain")
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
    depths = [row[0] for row in await admin.fetch("SELECT depth FROM postroom.event_log ORDER BY seq")]
    assert depths == [None, 1, 2, 3]
    assert letter.event.depth == 3
    assert letter.cause.message == "depth: 4 handlers have emitted one another; the limit is 3"


@pytest.mark.parametrize(
    ("finalizer", "error"),
    [
        (Finalizer(service="nope"), UnknownServiceError),
        (Finalizer(service="chain"), InvalidInputError),
        (Finalizer(service="closer", key=""), InvalidInputError),
        (Finalizer(service="closer", context=object()), InvalidInputError),
    ],
)
async def test_a_finalizer_that_could_not_be_told_is_refused(
    database: Server, admin: Connection, finalizer: Finalizer, error: type[Exception]
) -> None:
    app = make_app()
    async with run(app, database):
        with pytest.raises(error):
            await app.enqueue("work", Work(), tenant="t", finalizer=finalizer)
    assert await admin.fetchval("SELECT count(*) FROM postroom.event_log") == 0


async def test_a_services_finalizer_that_is_unknown_keeps_the_app_from_starting(database: Server) -> None:
    app = App("test")
    app.service("work", Worker, finalizer=Finalizer(service="nope"))
    with pytest.raises(SpecError, match="finalizer: no service is named 'nope'"):
        async with run(app, database):
            pass
