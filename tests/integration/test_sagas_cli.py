"""`postroom sagas` against an app that runs, and the HTTP routes behind it."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import EntryPoint
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from runtime.cli import main
from runtime.cli.root import PLUGINS
from runtime.store.audit import AuditFilter
from runtime.store.schedules import ScheduleFilter
from sagas.cli.group import COMMANDS
from sagas.examples import order
from tests.apps import run
from tests.postgres import Server

SMALL = '{"id": "A-1", "sku": "s", "cents": 500, "address": "here"}'
LARGE = '{"id": "L-1", "sku": "s", "cents": 500000, "address": "here"}'


@pytest.fixture(autouse=True)
def surroundings(private_rendezvous: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = [EntryPoint("sagas", "sagas.cli:sagas", PLUGINS)]
    monkeypatch.setattr("runtime.cli.root.entry_points", lambda group: plugins if group == PLUGINS else [])


async def postroom(*arguments: str) -> Result:
    """Run the command in a thread, as the app that it asks lives in this event loop."""
    return await asyncio.to_thread(CliRunner().invoke, main, ("sagas", *arguments))


async def answer(*arguments: str) -> Any:
    result = await postroom(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def refusal(*arguments: str) -> str:
    result = await postroom(*arguments)
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    return line


async def status(instance: str, wanted: str) -> Any:
    """Look at a saga until it has a status."""
    while True:
        saga = await answer("show", instance)
        if saga["status"] == wanted:
            return saga


async def test_a_saga_is_started_and_shown_with_its_history(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        started = await postroom("start", "order", SMALL, "--tenant", "acme", "--id", "A-1", "--wait", "--by", "ann")
        assert started.exit_code == 0, started.output
        for told in ("order A-1 of acme: completed", "by ann", "ship", '"parcel":"on its way to here"'):
            assert told in started.stdout
        saga = await answer("show", "A-1", "--tenant", "acme")
        assert [entry["what"] for entry in saga["history"]][:3] == ["started", "sent", "done"]
        assert "A-1" in (await postroom("list", "--status", "completed")).stdout
        assert (await postroom("list", "--status", "parked")).stdout == "no such sagas\n"


async def test_a_saga_that_was_compensated_ends_the_command_with_1(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        result = await postroom("start", "order", '{"id": "N", "sku": "s", "cents": 5}', "--tenant", "t", "--wait")
    assert result.exit_code == 1
    assert "compensated" in result.stdout


async def test_another_start_of_an_id_that_is_taken_is_refused(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        for _ in range(2):
            await answer("start", "order", SMALL, "--tenant", "acme", "--id", "A-1")
            await status("A-1", "completed")
        other = await refusal("start", "order", LARGE, "--tenant", "acme", "--id", "A-1")
    assert other == "postroom: error: id: a saga of this id was started with another input"


async def test_a_saga_is_scheduled_and_what_cannot_start_is_refused(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0") as running:
        shown = await postroom("schedule", "acme", "nightly", "order", SMALL, "--cron", "0 3 * * *", "--by", "ann")
        assert "service:     sagas" in shown.stdout
        assert '"by": "schedule:nightly"' in shown.stdout
        [stored] = await running.operations.schedules.schedules(ScheduleFilter(service="sagas"))
        assert (stored.schedule.key, stored.by) == ("{id}", "ann")
        again = await answer("schedule", "acme", "nightly", "order", SMALL, "--cron", "@daily", "--overlap", "queue")
        assert (again["cron"], again["overlap"]) == ("@daily", "queue")
        assert "no saga is named 'gone'" in await refusal("schedule", "acme", "x", "gone", "--cron", "@daily")
        assert "input: Expected `object`" in await refusal("schedule", "acme", "x", "order", "7", "--cron", "@daily")
        assert "cron: '@dayly' is none" in await refusal("schedule", "acme", "x", "order", SMALL, "--cron", "@dayly")


async def shown(instance: str, line: str) -> None:
    """Look at a saga until a line is there."""
    while line not in (await postroom("show", instance)).stdout:  # noqa: ASYNC110 # it is asked
        await asyncio.sleep(0)


async def test_people_signal_suspend_resume_repair_and_cancel(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0") as running:
        for instance in ("L-1", "L-2"):
            await answer("start", "order", LARGE.replace("L-1", instance), "--tenant", "t", "--id", instance)
            waiting = await status(instance, "waiting")
        assert waiting["at_work"][0]["place"] == "approved"
        assert (await postroom("suspend", "L-1")).stdout == "L-1 was waiting; suspend is accepted\n"
        await status("L-1", "suspended")
        moved = LARGE.replace("here", "there")
        await answer("repair", "L-1", "--set", f"input={moved}", "--by", "ann")
        await answer("signal", "L-1", "approve")
        await shown("L-1", "kept     1 of the signal approve\n")
        await answer("resume", "L-1")
        done = await status("L-1", "completed")
        assert done["result"]["parcel"] == "on its way to there"
        assert "by ann: input" in [entry["detail"] for entry in done["history"]]
        await answer("cancel", "L-2", "--reason", "too dear")
        assert (await status("L-2", "cancelled"))["cause"] == "too dear"
        lines = await running.operations.audit.lines(AuditFilter())
    assert [(line.action, line.target, line.detail) for line in reversed(lines)] == [
        ("suspend_saga", "t/L-1", None),
        ("repair_saga", "t/L-1", "input"),
        ("resume_saga", "t/L-1", None),
        ("cancel_saga", "t/L-2", "too dear"),
    ]
    assert lines[2].by == "ann"


async def test_a_parked_step_is_retried_or_skipped(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        await order.sagas.wait(await order.sagas.start("order", order.Order("A", "s", 5, "x"), tenant="t", id="A"))
        assert "nothing is parked" not in await refusal("retry", "A")
        assert await refusal("skip", "A", "ship") == "postroom: error: the saga has ended: it is completed"


async def test_definitions_are_shown_compared_and_reverted(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        assert (await answer("definitions"))["sagas"] == ["order"]
        shown = await answer("definitions", "order")
        assert shown["definition"]["root"]["nodes"][0]["name"] == "save"
        assert (await postroom("diff", "order", "1")).stdout == "no difference\n"
        assert (await answer("revert", "order", "1"))["version"] == 1
        assert await refusal("revert", "order", "7") == "postroom: error: order has no version 7; it has 1 to 1"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "gone", "--tenant", "t"], "no saga is named 'gone'; there are: order"),
        (["start", "order", '{"id": 1}', "--tenant", "t"], "input.id: Expected `str`, got `int`"),
        (["start", "order", "{", "--tenant", "t"], "payload: is not JSON"),
        (["show", "nobody"], "no saga has the id 'nobody'"),
        (["cancel", "nobody"], "no saga has the id 'nobody'"),
        (["definitions", "gone"], "no saga is named 'gone'"),
        (["list", "--before", "x", "--limit", "7", "--url", "http://127.0.0.1:1"], "cannot reach"),
    ],
)
async def test_what_is_asked_wrongly_is_told_in_one_line(database: Server, arguments: list[str], told: str) -> None:
    async with run(order.app, database, http="127.0.0.1:0"):
        assert told in await refusal(*arguments)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_teaches_by_example(command: str) -> None:
    result = CliRunner().invoke(main, ["sagas", command, "--help"])
    assert result.exit_code == 0
    assert f"Examples:\n    postroom sagas {command}" in result.stdout


async def test_http_tells_which_part_of_a_request_is_wrong(database: Server) -> None:
    async with run(order.app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:

        async def post(path: str, body: object) -> tuple[int, str | None, str]:
            async with session.post(f"{running.url}{path}", json=body) as response:
                error = (await response.json())["error"]
                return response.status, error["field"], error["message"]

        assert (await post("/v1/sagas", {"saga": "order"}))[:2] == (400, "tenant")
        assert (await post("/v1/sagas", {"saga": "order", "tenant": "t", "id": "x" * 101}))[:2] == (400, "id")
        assert (await post("/v1/sagas", {"saga": "gone", "tenant": "t"}))[0] == 404
        await order.sagas.wait(await order.sagas.start("order", json.loads(SMALL), tenant="t", id="A-1"))
        taken = {"saga": "order", "tenant": "t", "id": "A-1", "input": json.loads(LARGE)}
        assert await post("/v1/sagas", taken) == (409, "id", "a saga of this id was started with another input")
        assert (await post("/v1/sagas/A/skip", {"output": 1}))[:2] == (400, "place")
        assert (await post("/v1/sagas/A/cancel", {"why": 1}))[:2] == (400, "why")
        assert (await post("/v1/sagas/A/cancel", {}))[0] == 404


async def test_the_routes_of_an_extension_are_described_with_the_others(database: Server) -> None:
    async with (
        run(order.app, database, http="127.0.0.1:0") as running,
        aiohttp.ClientSession() as session,
        session.get(f"{running.url}/v1/openapi.json") as response,
    ):
        document = await response.json()
    assert {"/v1/tree", "/v1/sagas", "/v1/sagas/{saga}/cancel"} <= set(document["paths"])
    assert document["paths"]["/v1/sagas/{saga}/cancel"]["post"]["operationId"] == "cancel_saga"
