"""Every event is a job: its status, its end, its result, in Python, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar
from uuid import UUID

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, Backoff, RetryPolicy
from runtime import App
from runtime.cli import main
from runtime.durable.ids import IdSource
from runtime.errors import InvalidInputError, JobFailedError, NotFoundError, ResultNotKeptError
from runtime.store.job_records import JobFilter
from tests.apps import run
from tests.postgres import Server

SLOW = RetryPolicy(attempts=2, backoff=Backoff(initial_seconds=60.0, max_seconds=60.0))


class Sum(msgspec.Struct):
    left: int
    right: int


class Total(msgspec.Struct):
    value: int


class Nothing(msgspec.Struct):
    pass


class Wait(msgspec.Struct):
    pass


class Fail(msgspec.Struct):
    pass


class Calculator(Actor):
    release: ClassVar[asyncio.Event]
    entered: ClassVar[asyncio.Event]

    async def add(self, sum_: Sum) -> Total:
        return Total(sum_.left + sum_.right)

    async def nothing(self, _: Nothing) -> None:
        return None

    async def fail(self, _: Fail) -> Total:
        raise ValueError("no luck")

    async def wait(self, _: Wait) -> str:
        self.entered.set()
        await self.release.wait()
        return "at last"


@pytest.fixture(autouse=True)
def clean(private_rendezvous: None) -> None:
    Calculator.release, Calculator.entered = asyncio.Event(), asyncio.Event()


def make_app(**settings: Any) -> App:
    app = App("test")
    app.service("sums", Calculator, **{"keep_results": True, "retry": RetryPolicy(attempts=1), "slots": 2, **settings})
    return app


async def test_a_job_gives_its_result_as_its_handler_promised(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        job = await app.submit("sums", Sum(2, 3), tenant="t")
        assert await job.result(timeout_seconds=10) == Total(5)
        assert await app.job(job.id).result(dict, timeout_seconds=10) == {"value": 5}
        assert await job.status() == "completed"


async def test_a_handler_that_returns_nothing_gives_none(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        job = await app.submit("sums", Nothing(), tenant="t")
        assert await job.result(timeout_seconds=10) is None


async def test_a_result_of_another_shape_than_asked_for_is_refused_by_its_field(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        job = await app.submit("sums", Sum(2, 3), tenant="t")
        with pytest.raises(InvalidInputError, match="result: Expected `int`, got `object`"):
            await job.result(int, timeout_seconds=10)


async def test_the_result_of_a_failed_job_is_its_error(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        job = await app.submit("sums", Fail(), tenant="t")
        with pytest.raises(JobFailedError, match="failed: ValueError: no luck") as caught:
            await job.result(timeout_seconds=10)
    assert (caught.value.job_id, caught.value.error) == (job.id, "ValueError: no luck")


async def test_a_service_that_keeps_no_results_says_so(database: Server) -> None:
    app = make_app(keep_results=False)
    async with run(app, database):
        job = await app.submit("sums", Sum(2, 3), tenant="t")
        with pytest.raises(ResultNotKeptError, match="keep_results=True"):
            await job.result(timeout_seconds=10)
        assert (await job.wait(10)).status == "completed"


async def test_an_unknown_job_is_not_found(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        job = app.job(IdSource().new_id())
        for asked in (job.status, job.result, job.wait):
            with pytest.raises(NotFoundError, match="no job has the id"):
                await asked()


async def test_a_job_is_holding_then_queued_then_processing_then_completed(database: Server) -> None:
    app = make_app(slots=1)
    async with run(app, database) as running:
        first = await app.submit("sums", Wait(), tenant="t")
        await Calculator.entered.wait()
        second = await app.submit("sums", Sum(1, 1), tenant="t")
        third = await app.submit("sums", Sum(1, 1), tenant="t", delay_seconds=60)
        assert [await job.status() for job in (first, second, third)] == ["processing", "queued", "holding"]
        for status, job in (("processing", first), ("queued", second), ("holding", third)):
            page = await running.operations.jobs.jobs(JobFilter(status=status))  # type: ignore[arg-type]
            assert [view.event.id for view in page.jobs] == [job.id]
        with pytest.raises(TimeoutError, match=r"has not ended within 0\.05 s; it is processing"):
            await first.result(timeout_seconds=0.05)
        Calculator.release.set()
        assert await first.result(timeout_seconds=10) == "at last"
        assert await second.result(timeout_seconds=10) == Total(2)


async def test_a_job_that_waits_for_its_next_attempt_is_holding_with_the_error_of_the_last(database: Server) -> None:
    app = make_app(retry=SLOW)
    async with run(app, database):
        job = await app.submit("sums", Fail(), tenant="t")
        async with asyncio.timeout(10):
            while await job.status() != "holding":
                await job.wait(0.01)
        view = await job.view()
    assert (view.attempt, view.error) == (2, "ValueError: no luck")
    assert [attempt.outcome for attempt in view.attempts] == ["retry"]


@pytest.mark.parametrize(
    ("which", "field"),
    [
        (JobFilter(limit=0), "limit"),
        (JobFilter(limit=501), "limit"),
        (JobFilter(since=2.0, until=1.0), "until"),
    ],
)
async def test_a_list_without_bounds_is_refused(database: Server, which: JobFilter, field: str) -> None:
    async with run(make_app(), database) as running:
        with pytest.raises(InvalidInputError) as caught:
            await running.operations.jobs.jobs(which)
    assert caught.value.field == field


async def test_http_tells_jobs(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(f"{running.url}/v1/jobs{path}") as answer:
                return answer.status, await answer.json()

        waiting = await app.submit("sums", Wait(), tenant="t", key="k")
        status, told = await get(f"/{waiting.id}/result?wait_seconds=0.01")
        assert (status, told["status"], told["result"]) == (202, "processing", None)
        asked = asyncio.create_task(get(f"/{waiting.id}/result?wait_seconds=30"))
        Calculator.release.set()
        assert await asked == (
            200,
            {"id": str(waiting.id), "status": "completed", "result": "at last", "error": None},
        )
        status, shown = await get(f"/{waiting.id}")
        assert (status, shown["key"], shown["payload"], len(shown["attempts"])) == (200, "k", {}, 1)
        failed = await app.submit("sums", Fail(), tenant="u")
        await failed.wait(10)
        status, page = await get("?status=failed&service=sums&tenant=u&type=Fail&since=2020-01-01T00:00:00Z")
        assert (status, [job["id"] for job in page["jobs"]], page["next"]) == (200, [str(failed.id)], None)
        assert page["jobs"][0]["error"] == "ValueError: no luck"
        for path, expected in (
            (f"/{IdSource().new_id()}", 404),
            (f"/{IdSource().new_id()}/result", 404),
            ("/nonsense", 400),
            ("?status=nonsense", 400),
            ("?limit=501", 400),
            ("?since=yesterday", 400),
            (f"/{waiting.id}/result?wait_seconds=61", 400),
        ):
            assert (await get(path))[0] == expected, path


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, list(arguments))


async def test_the_command_tells_jobs(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0"):
        good = await app.submit("sums", Sum(2, 3), tenant="t", key="k")
        bad = await app.submit("sums", Fail(), tenant="t")
        await good.wait(10)
        await bad.wait(10)
        listed = await command("jobs", "list", "--status", "failed", "--since", "1h", "--json")
        assert [job["id"] for job in json.loads(listed.output)["jobs"]] == [str(bad.id)]
        assert str(good.id) in (await command("jobs", "list", "--service", "sums")).output
        assert "no such jobs" in (await command("jobs", "list", "--until", "2020-01-01")).output
        shown = (await command("jobs", "show", str(bad.id))).output
        assert "because:     ValueError: no luck" in shown
        result = await command("jobs", "result", str(good.id), "--wait", "5")
        assert (result.exit_code, json.loads(result.output)) == (0, {"value": 5})
        refused = await command("jobs", "result", str(bad.id))
        assert (refused.exit_code, refused.output) == (1, f"{bad.id} is failed: ValueError: no luck\n")
        unknown = await command("jobs", "show", str(UUID(int=5)))
        assert (unknown.exit_code, unknown.output) == (1, f"postroom: error: no job has the id {UUID(int=5)}\n")
        wrong = await command("jobs", "list", "--since", "soon")
        assert wrong.exit_code == 2
        assert "neither a time ago such as 2h" in wrong.output
