"""Jobs of an app that runs twice on one database: each is aborted, awaited, moved and run again wherever it is."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from actors import Actor
from runtime import App
from runtime.store.replays import ReplayFilter
from tests.apps import run
from tests.postgres import Server

JOBS = 20


class Step(msgspec.Struct):
    n: int
    wait: bool = False


class Stepper(Actor):
    async def step(self, step: Step) -> int:
        if step.wait:
            await asyncio.Event().wait()
        return step.n


def make_app() -> App:
    app = App("test")
    app.service("steps", Stepper, keyed=True, slots=64, keep_results=True)
    return app


async def test_either_process_aborts_awaits_moves_and_runs_again_the_jobs_of_both(database: Server) -> None:
    one, two = make_app(), make_app()
    async with run(one, database, pulse_seconds=0.1) as first, run(two, database, pulse_seconds=0.1) as second:
        async with asyncio.timeout(30):
            while first.backlog.whole or not second.backlog.shards:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        running = [await one.submit("steps", Step(n, wait=True), tenant="t", key=f"k{n}") for n in range(JOBS)]
        held = [await two.submit("steps", Step(n), tenant="t", key=f"k{n}", delay_seconds=60) for n in range(JOBS)]
        views = await asyncio.gather(*(one.job(job.id).abort(by="ann") for job in (*running, *held)))
        assert {view.status for view in views} == {"aborted"}
        connection = await asyncpg.connect(**database)
        ids = [await two.enqueue("steps", Step(n), tenant="t", key=f"k{n}", connection=connection) for n in range(JOBS)]
        await connection.close()
        results = await asyncio.gather(*(one.job(job).result(timeout_seconds=20) for job in ids))
        assert results == list(range(JOBS))
        request = await second.operations.replays.start(ReplayFilter(outcome="completed"), by="ann")
        assert (await first.operations.replays.wait(request.id)).replayed == JOBS
        await first.wait_idle("steps")
