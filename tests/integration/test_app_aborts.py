"""Jobs that are given up: holding, queued or processing, in Python, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, Finalizer, JobCause, JobEnded, RetryPolicy
from runtime import App, Enqueue, Running
from runtime.cli import main
from runtime.durable.ids import IdSource
from runtime.errors import ConflictError, InvalidInputError, JobAbortedError, NotFoundError
from runtime.store.aborts import AbortOrder
from runtime.store.audit import AuditFilter
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.pool import Connection
from runtime.store.records import Batch
from tests.apps import run
from tests.postgres import Server
from tests.records import NOW, make_event

TABLES = "CREATE TABLE IF NOT EXISTS effect (n int NOT NULL)"


class Step(msgspec.Struct):
    n: int
    wait: bool = False
    stubborn: bool = False


class Stepper(Actor):
    entered: ClassVar[asyncio.Event]
    release: ClassVar[asyncio.Event]
    seen: ClassVar[list[int]] = []

    async def step(self, step: Step) -> None:
        self.seen.append(step.n)
        if step.wait:
            await self.db.execute("INSERT INTO effect VALUES ($1)", step.n)
            self.entered.set()
            if step.stubborn:
                with contextlib.suppress(asyncio.CancelledError):
                    await self.release.wait()
            await self.release.wait()


class Closer(Actor):
    told: ClassVar[list[JobEnded]] = []

    async def close(self, ended: JobEnded) -> None:
        self.told.append(ended)


@pytest.fixture(autouse=True)
def clean(private_rendezvous: None) -> None:
    Stepper.entered, Stepper.release = asyncio.Event(), asyncio.Event()
    Stepper.seen.clear()
    Closer.told.clear()


def make_app(**settings: Any) -> App:
    app = App("test")
    app.tables(TABLES)
    usual = {
        "slots": 1,
        "retry": RetryPolicy(attempts=1),
        "finalizer": Finalizer(service="closer"),
        "keep_results": True,
    }
    app.service("steps", Stepper, **{**usual, **settings})
    app.service("closer", Closer)
    return app


async def finish(running: Running) -> None:
    async with asyncio.timeout(30):
        await running.wait_idle("steps")
        await running.wait_idle("closer")


async def test_a_holding_job_is_ended_and_audited_and_its_finalizer_told(database: Server) -> None:
    app = make_app()
    async with run(app, database) as running:
        job = await app.submit("steps", Step(1), tenant="t", key="k", delay_seconds=60)
        view = await job.abort(by="ann", reason="wrong month")
        assert (view.status, view.error) == ("aborted", "aborted by ann: wrong month")
        await finish(running)
        [line] = await running.operations.audit.lines(AuditFilter(action="abort"))
        with pytest.raises(JobAbortedError, match="aborted by ann: wrong month"):
            await job.result()
    assert (line.by, line.subject, line.detail) == ("ann", job.id, "wrong month")
    [told] = Closer.told
    assert (told.job, told.outcome, told.cause) == (job.id, "aborted", JobCause("aborted", "by ann: wrong month"))
    assert Stepper.seen == []


@pytest.mark.parametrize("chunk_size", [1, 10])
async def test_a_queued_job_is_ended_at_once_and_never_started(
    database: Server, admin: Connection, chunk_size: int
) -> None:
    app = make_app(chunk_size=chunk_size)
    async with run(app, database) as running:
        await app.enqueue("steps", Step(0, wait=True), tenant="t")
        await Stepper.entered.wait()
        ids = await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t") for n in range(1, 6)])
        view = await app.job(ids[2]).abort(by="ann")
        assert view.status == "aborted"
        Stepper.release.set()
        await finish(running)
        assert running.backlog.watermark_of(1) == await admin.fetchval(
            "SELECT max(seq) FROM postroom.event_log WHERE queue = 1"
        )
    assert Stepper.seen == [0, 1, 2, 4, 5]
    assert [told.outcome for told in Closer.told].count("aborted") == 1


async def test_a_queued_job_behind_the_window_is_ended(database: Server) -> None:
    app = make_app()
    async with run(app, database, window=10) as running:
        await app.enqueue("steps", Step(0, wait=True), tenant="t")
        await Stepper.entered.wait()
        ids = await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t") for n in range(1, 41)])
        for event_id in (ids[0], ids[5], ids[30], ids[39]):
            assert (await app.job(event_id).abort(by="ann")).status == "aborted"
        Stepper.release.set()
        await finish(running)
    assert Stepper.seen == [n for n in range(41) if n not in {1, 6, 31, 40}]


async def test_a_processing_job_is_cancelled_and_what_it_wrote_is_undone(database: Server, admin: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        job = await app.submit("steps", Step(1, wait=True), tenant="t")
        await Stepper.entered.wait()
        view = await job.abort(by="ann", reason="too long")
        assert (view.status, view.error, len(view.attempts)) == ("aborted", "aborted by ann: too long", 1)
        assert (await (await app.submit("steps", Step(2), tenant="t")).wait(10)).status == "completed"
        await finish(running)
    assert await admin.fetchval("SELECT count(*) FROM effect") == 0
    assert Closer.told[0].outcome == "aborted"
    assert await admin.fetchval("SELECT count(*) FROM postroom.dead_letter") == 0


async def test_a_handler_that_does_not_heed_its_cancellation_goes_on(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.durable.job_desk.ABORT_SECONDS", 0.3)
    app = make_app()
    async with run(app, database) as running:
        job = await app.submit("steps", Step(1, wait=True, stubborn=True), tenant="t")
        await Stepper.entered.wait()
        with pytest.raises(ConflictError, match="does not heed its cancellation; it goes on"):
            await job.abort(by="ann")
        Stepper.release.set()
        assert (await job.wait(10)).status == "completed"
        assert await running.store.aborts.orders(10) == []
        assert await running.operations.audit.lines(AuditFilter()) == []
        Stepper.entered.clear()
        Stepper.release.clear()
        other = await app.submit("steps", Step(2, wait=True), tenant="t")
        await Stepper.entered.wait()
        assert (await other.abort(by="ann")).status == "aborted"


async def test_a_job_that_has_ended_or_never_was_is_not_aborted(database: Server) -> None:
    app = make_app()
    async with run(app, database) as running:
        job = await app.submit("steps", Step(1), tenant="t")
        await job.wait(10)
        with pytest.raises(ConflictError, match="is completed already"):
            await job.abort(by="ann")
        with pytest.raises(NotFoundError):
            await app.job(IdSource().new_id()).abort(by="ann")
        waiting = await app.submit("steps", Step(1), tenant="t", delay_seconds=60)
        for fields in ({"by": ""}, {"by": "ann", "reason": "x" * 2001}, {"by": "ann", "reason": ""}):
            with pytest.raises(InvalidInputError):
                await waiting.abort(**fields)
        assert await running.store.aborts.orders(10) == []


async def test_an_order_outlives_the_process_that_took_it(database: Server) -> None:
    store = PostgresStore(database)
    await store.open()
    await store.acquire_lease(uuid4())
    event = make_event(service="steps", type="Step", payload=b'{"n":1}', id=IdSource().new_id())
    await store.commit(Batch(events=[event]))
    await store.aborts.order(AbortOrder(event.id, "ann", NOW, "before the crash"))
    await store.close()
    app = make_app(slots=4)
    async with run(app, database) as running:
        view = await app.job(event.id).wait(20)
        await finish(running)
    assert view.status in {"aborted", "completed"}  # it may have been started before the order was read
    assert [told.outcome for told in Closer.told] == [view.status]


async def test_many_aborts_beside_many_handlers_end_each_job_once(database: Server, admin: Connection) -> None:
    app = make_app(slots=8, chunk_size=5, keep_results=False)

    async def abort(job: Any) -> str:
        try:
            return (await app.job(job).abort(by="ann")).status
        except ConflictError:
            return "too late"

    async with run(app, database, window=50) as running:
        many = [Enqueue(message=Step(n), tenant=f"t{n % 3}", key=f"k{n % 7}") for n in range(600)]
        ids = await app.enqueue_many("steps", many)
        answers = await asyncio.gather(*(abort(job) for job in ids[::4]))
        await finish(running)
    rows = await admin.fetch("""
        SELECT o.kind, count(*) FROM postroom.outcome o JOIN postroom.event_log e USING (seq)
        WHERE e.type = 'Step' GROUP BY o.kind
    """)
    kinds: dict[int, int] = {row[0]: row[1] for row in rows}
    assert kinds.get(4, 0) == answers.count("aborted")
    assert kinds[1] + kinds.get(4, 0) == 600
    assert len(Stepper.seen) <= 600
    assert len(Closer.told) == 600


async def test_http_and_the_command_abort(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:
        first, second = [await app.submit("steps", Step(n), tenant="t", delay_seconds=60) for n in range(2)]
        url = f"{running.url}/v1/jobs"
        async with session.post(f"{url}/{first.id}/abort", json={"by": "ann", "reason": "late"}) as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "aborted")
        async with session.post(f"{url}/{first.id}/abort", json={}) as answer:
            assert answer.status == 409
        async with session.post(f"{url}/{IdSource().new_id()}/abort", json={}) as answer:
            assert answer.status == 404

        async def command(*arguments: str) -> Result:
            return await asyncio.to_thread(CliRunner().invoke, main, ["jobs", "abort", *arguments])

        done = await command(str(second.id), "--reason", "late", "--by", "bob")
        assert (done.exit_code, done.output) == (0, f"{second.id} is aborted\n")
        again = await command(str(second.id))
        assert (again.exit_code, again.output) == (1, f"postroom: error: job {second.id} is aborted already\n")
