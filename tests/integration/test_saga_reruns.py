"""Steps that are to run again: with their dead letters, in replays by filter, and while no app runs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import aiohttp
import msgspec
import pytest

from actors import Actor, RetryPolicy
from runtime import App, Running, Settings
from runtime.errors import ConflictError
from runtime.offline import offline_operations
from runtime.store.audit import AuditFilter
from runtime.store.records import DeadLetterFilter, DeadLetterView
from runtime.store.replays import ReplayFilter
from sagas import Flow, Retry, Sagas, undo
from sagas.definition import FailurePolicy
from tests.apps import run, url_of
from tests.postgres import Server

ONCE = Retry()
GONE_BACK = "the saga A is compensated and waits for b no more"


class Go(msgspec.Struct):
    n: int


class Worker(Actor):
    failing: ClassVar[set[int]] = set()
    done: ClassVar[list[int]] = []

    async def go(self, go: Go) -> None:
        if go.n in self.failing:
            raise ValueError(f"no {go.n}")
        self.done.append(go.n)


@pytest.fixture(autouse=True)
def the_second_fails() -> None:
    Worker.failing, Worker.done = {2}, []


def two_undoable(*, retry: Retry = ONCE, on_failure: FailurePolicy = "compensate") -> tuple[App, Sagas]:
    app = App("test")
    app.service("work", Worker, retry=RetryPolicy(attempts=1))
    sagas = Sagas(app)
    flow = Flow("two").step("a", "work", config={"n": 1}, undo=undo("work", config={"n": -1}))
    flow.step("b", "work", config={"n": 2}, retry=retry, undo=undo("work", config={"n": -2}))
    sagas.register(flow.definition(on_failure=on_failure))
    return app, sagas


async def gone_back(running: Running, sagas: Sagas) -> DeadLetterView:
    """Have a saga undone as its second step failed, and what made it fail mended; the dead letter of that."""
    assert (await sagas.wait(await sagas.start("two", tenant="t", id="A"))).status == "compensated"
    Worker.failing = set()
    await asyncio.sleep(0.002)  # a replay is about events of earlier milliseconds
    [letter] = await running.operations.dead_letters(DeadLetterFilter())
    return letter


async def test_the_dead_letter_of_a_step_whose_saga_has_gone_back_is_not_replayed(database: Server) -> None:
    app, sagas = two_undoable()
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:
        letter = await gone_back(running, sagas)
        with pytest.raises(ConflictError, match=GONE_BACK):
            await running.operations.replay(letter.event.id, by="ann")
        path = f"{running.url}/v1/dead-letters/{letter.event.id}/replay"
        async with session.post(path, json={"by": "ann"}) as response:
            assert (response.status, (await response.json())["error"]["message"]) == (409, GONE_BACK)
        assert (await running.operations.dead_letter(letter.event.id)).state == "open"
        await running.wait_idle("work")
    assert Worker.done == [1, -1]


async def test_a_replay_by_filter_runs_no_step_of_a_saga_that_has_gone_back(database: Server) -> None:
    app, sagas = two_undoable()
    async with run(app, database) as running:
        await gone_back(running, sagas)
        await sagas.wait(await sagas.start("two", tenant="t", id="B"))
        await asyncio.sleep(0.002)  # as above
        replays = running.operations.replays
        done = await replays.wait((await replays.start(ReplayFilter(service="work"), by="ann")).id)
        await running.wait_idle("work")
        letters = await running.operations.dead_letters(DeadLetterFilter())
    refused = {letter.cause.message for letter in letters if letter.event.origin}
    assert (done.replayed, done.refused) == (3, 2)
    assert refused == {GONE_BACK, GONE_BACK.replace(" b ", " a ")}
    assert sorted(Worker.done) == [-1, -1, 1, 1, 1, 2, 2], "the undo, and the steps of the saga that was completed"


async def test_the_dead_letters_of_sends_before_the_one_that_was_done_are_given_up(database: Server) -> None:
    app, sagas = two_undoable(retry=Retry(attempts=2, initial_seconds=0.01), on_failure="park")
    async with run(app, database) as running:
        saga = await sagas.start("two", tenant="t")
        while (await sagas.show(saga)).status != "parked":  # noqa: ASYNC110 # it is asked
            await asyncio.sleep(0)
        assert len(await running.operations.dead_letters(DeadLetterFilter())) == 2
        Worker.failing = set()
        await sagas.retry(saga, by="ann")
        assert (await sagas.wait(saga)).status == "completed"
        await running.wait_idle("sagas")
        letters = await running.operations.dead_letters(DeadLetterFilter(state=None))
        lines = await running.operations.audit.lines(AuditFilter(action="discard"))
    assert [letter.state for letter in letters] == ["discarded"] * 2
    assert {(line.by, line.detail) for line in lines} == {(f"saga {saga}", "b was done since")}


async def test_while_no_app_runs_the_letters_of_sagas_that_have_ended_are_not_replayed(database: Server) -> None:
    app, sagas = two_undoable()
    async with run(app, database) as running:
        letter = await gone_back(running, sagas)
    async with offline_operations(Settings(database=url_of(database))) as operations:
        with pytest.raises(ConflictError, match="it is for A of sagas, which has ended; ask again while the app runs"):
            await operations.replay(letter.event.id, by="ann")
