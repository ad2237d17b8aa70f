"""Replays by filter and by id: in Python, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar
from uuid import UUID

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, RetryPolicy
from runtime import App, Enqueue, Running
from runtime.cli import main
from runtime.durable.ids import IdSource
from runtime.errors import FilterTooWideError, InvalidInputError, NotFoundError, UnknownServiceError
from runtime.store.audit import AuditFilter
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from runtime.store.replays import ReplayFilter
from tests.apps import run
from tests.postgres import Server


class Step(msgspec.Struct):
    n: int


class Other(msgspec.Struct):
    n: int


class Stepper(Actor):
    broken: ClassVar[bool] = False
    seen: ClassVar[list[int]] = []

    async def step(self, step: Step) -> None:
        self.seen.append(step.n)
        if self.broken and step.n % 3 == 0:
            raise ValueError("no luck")


class Anything(Actor):
    seen: ClassVar[list[dict[str, Any]]] = []

    async def take(self, event: dict[str, Any]) -> None:
        self.seen.append(event)


class Picky(Actor):
    async def take(self, other: Other) -> None: ...


@pytest.fixture(autouse=True)
def clean(private_rendezvous: None) -> None:
    Stepper.broken = True
    Stepper.seen.clear()
    Anything.seen.clear()


def make_app() -> App:
    app = App("test")
    app.service("steps", Stepper, retry=RetryPolicy(attempts=1))
    app.service("any", Anything)
    app.service("picky", Picky)
    app.service("keyed", Anything, keyed=True)
    return app


async def fill(app: App, running: Running, count: int = 30) -> list[UUID]:
    """Have so many events ended, each third of them failed, and what made them fail mended."""
    many = [Enqueue(message=Step(n), tenant=f"t{n % 2}", key=f"k{n % 4}") for n in range(count)]
    ids = await app.enqueue_many("steps", many)
    await finish(running, "steps")
    Stepper.broken = False
    Stepper.seen.clear()
    await asyncio.sleep(0.002)  # a replay is about events of earlier milliseconds
    return ids


async def finish(running: Running, service: str) -> None:
    async with asyncio.timeout(30):
        await running.wait_idle(service)


async def test_what_failed_runs_again_as_new_events_that_name_their_origin(database: Server, admin: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        ids = await fill(app, running)
        replays = running.operations.replays
        request = await replays.start(ReplayFilter(service="steps", outcome="failed"), by="ann")
        done = await replays.wait(request.id)
        await finish(running, "steps")
        [line] = await running.operations.audit.lines(AuditFilter(action="replay"))
    assert (done.matched, done.replayed, done.by) == (10, 10, "ann")
    assert sorted(Stepper.seen) == list(range(0, 30, 3))
    rows = await admin.fetch("SELECT origin, tenant, key, enqueued_by FROM postroom.event WHERE origin IS NOT NULL")
    assert {row["origin"] for row in rows} == set(ids[::3])
    assert {row["enqueued_by"] for row in rows} == {"ann"}
    assert all(row["tenant"] == f"t{ids.index(row['origin']) % 2}" for row in rows)
    assert (line.by, line.subject) == ("ann", request.id)
    assert json.loads(line.detail or "") == {"service": "steps", "outcome": "failed"}


async def test_events_run_again_through_another_service(database: Server, admin: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        ids = await fill(app, running)
        replays = running.operations.replays
        await replays.wait((await replays.start(ReplayFilter(tenant="t1"), to="any", by="ann")).id)
        await finish(running, "any")
        await replays.wait((await replays.start(ReplayFilter(ids=ids[:2]), to="picky", by="ann")).id)
        letters = await running.operations.dead_letters(DeadLetterFilter(service="picky"))
    assert sorted(event["n"] for event in Anything.seen) == list(range(1, 30, 2))
    assert Stepper.seen == []
    assert {letter.event.origin for letter in letters} == set(ids[:2])
    assert letters[0].cause.message == "type: picky does not take 'Step'"


async def test_a_request_asked_for_twice_with_one_id_runs_events_once(database: Server) -> None:
    app, request_id = make_app(), IdSource()
    async with run(app, database) as running:
        await fill(app, running)
        replays, chosen = running.operations.replays, request_id.new_id()
        first, *others = await asyncio.gather(
            *(replays.start(ReplayFilter(outcome="failed"), by="ann", request_id=chosen) for _ in range(5))
        )
        done = await replays.wait(first.id)
        assert all(other.id == first.id for other in others)
        assert (await replays.start(ReplayFilter(), by="bob", request_id=chosen)) == done
        await finish(running, "steps")
        assert len(await running.operations.audit.lines(AuditFilter())) == 1
    assert sorted(Stepper.seen) == list(range(0, 30, 3))


async def test_a_filter_that_matches_too_much_is_refused_with_how_many(database: Server, admin: Connection) -> None:
    app = make_app()
    async with run(app, database, max_replay=20) as running:
        await fill(app, running)
        replays = running.operations.replays
        assert await replays.count(ReplayFilter()) == 30
        with pytest.raises(FilterTooWideError, match="filter: matches 30 events; more than 20 need to be confirmed"):
            await replays.start(ReplayFilter(), by="ann")
        assert await admin.fetchval("SELECT count(*) FROM postroom.replay_request") == 0
        done = await replays.wait((await replays.start(ReplayFilter(), by="ann", confirm=True)).id)
        await finish(running, "steps")
    assert done.replayed == 30
    assert len(Stepper.seen) == 30


async def test_a_replay_does_not_meet_its_own_events(database: Server) -> None:
    app = make_app()
    async with run(app, database) as running:
        await fill(app, running, 3)
        replays = running.operations.replays
        for expected in (3, 6):
            done = await replays.wait((await replays.start(ReplayFilter(), by="ann")).id)
            await finish(running, "steps")
            assert done.replayed == expected
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("which", "to", "by", "error"),
    [
        (ReplayFilter(service=""), None, "ann", InvalidInputError),
        (ReplayFilter(tenant="a\nb"), None, "ann", InvalidInputError),
        (ReplayFilter(ids=[]), None, "ann", InvalidInputError),
        (ReplayFilter(ids=[UUID(int=1)] * 1001), None, "ann", InvalidInputError),
        (ReplayFilter(since=2.0, until=1.0), None, "ann", InvalidInputError),
        (ReplayFilter(), None, "", InvalidInputError),
        (ReplayFilter(), "nobody", "ann", UnknownServiceError),
        (ReplayFilter(type="Step"), "picky", "ann", InvalidInputError),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    database: Server, which: ReplayFilter, to: str | None, by: str, error: type[Exception]
) -> None:
    async with run(make_app(), database) as running:
        with pytest.raises(error):
            await running.operations.replays.start(which, to=to, by=by)
        with pytest.raises(NotFoundError):
            await running.operations.replays.view(IdSource().new_id())


async def test_http_replays_by_filter(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0", max_replay=5) as running, aiohttp.ClientSession() as session:
        await fill(app, running)

        async def post(**body: object) -> tuple[int, Any]:
            async with session.post(f"{running.url}/v1/replays", json=body) as answer:
                return answer.status, await answer.json()

        assert await post(outcome="failed", dry_run=True) == (200, {"matched": 10})
        status, refused = await post(outcome="failed")
        assert (status, refused["error"]["type"], refused["error"]["field"]) == (400, "FilterTooWideError", "filter")
        status, accepted = await post(outcome="failed", confirm=True, by="ann", since="2020-01-01T00:00:00Z")
        assert (status, accepted["matched"]) == (202, 10)
        await running.operations.replays.wait(UUID(accepted["id"]))
        async with session.get(f"{running.url}/v1/replays/{accepted['id']}") as answer:
            assert (await answer.json())["replayed"] == 10
        async with session.get(f"{running.url}/v1/replays/{IdSource().new_id()}") as answer:
            assert answer.status == 404
        assert (await post(outcome="lost"))[0] == 400
        assert (await post(to="nobody"))[0] == 404


async def command(*arguments: str, answer: str = "") -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["replay", *arguments], input=answer)


async def test_the_command_replays_by_filter(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0", max_replay=5) as running:
        ids = await fill(app, running)
        chosen = ("--service", "steps", "--outcome", "failed", "--since", "1h")
        assert (await command(*chosen, "--dry-run")).output == "10 events match\n"
        declined = await command(*chosen, answer="n\n")
        assert (declined.exit_code, "Run 10 events again?" in declined.output) == (1, True)
        refused = await command(*chosen, answer="y\n")
        assert (refused.exit_code, "matches 10 events; more than 5" in refused.output) == (1, True)
        done = await command(*chosen, "--yes", "--by", "ann", "--json")
        assert (done.exit_code, json.loads(done.output)["replayed"]) == (0, 10)
        again = await command(str(ids[0]), str(ids[1]), "--to", "any")
        assert again.output.startswith("2 events run again: replay ")
        picky = await command(str(ids[0]), "--to", "picky")
        assert picky.stdout.startswith("0 events run again: replay ")
        assert picky.stderr == "1 were refused: they are dead letters that say why\n"
        await finish(running, "any")
        nothing = await command()
        assert (nothing.exit_code, "Give ids, or a filter" in nothing.output) == (2, True)
    assert len(Stepper.seen) == 10
    assert sorted(event["n"] for event in Anything.seen) == [0, 1]
