"""The audit as people see it: over HTTP and on the command line. Nobody can change it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, RetryPolicy
from runtime import App, Running
from runtime.cli import main
from runtime.errors import InvalidInputError
from runtime.store.audit import AuditFilter
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server


class Step(msgspec.Struct):
    n: int


class Failing(Actor):
    async def step(self, _: Step) -> None:
        raise ValueError("no luck")


pytestmark = pytest.mark.usefixtures("private_rendezvous")


@pytest.fixture
async def running(database: Server) -> AsyncIterator[Running]:
    """An app in which one dead letter was replayed, and another discarded."""
    app = App("audited")
    app.service("steps", Failing, retry=RetryPolicy(attempts=1))
    async with run(app, database, http="127.0.0.1:0") as found:
        first, second = [await app.enqueue("steps", Step(n), tenant="t", by="loader") for n in range(2)]
        await found.wait_idle("steps")
        await found.operations.replay(first, by="ann")
        await found.operations.discard(second, by="bob", reason="test data")
        yield found


async def test_http_lists_the_audit(running: Running) -> None:
    async with aiohttp.ClientSession() as session:

        async def get(query: str) -> tuple[int, Any]:
            async with session.get(f"{running.url}/v1/audit{query}") as answer:
                return answer.status, await answer.json()

        status, page = await get("")
        assert (status, page["next"]) == (200, None)
        assert [(line["by"], line["action"]) for line in page["lines"]] == [("bob", "discard"), ("ann", "replay")]
        _, first = await get("?limit=1")
        _, second = await get(f"?limit=1&before={first['next']}&until=2100-01-01T00:00:00Z")
        assert [page["lines"][0]["by"] for page in (first, second)] == ["bob", "ann"]
        assert (await get("?by=nobody"))[1] == {"lines": [], "next": None}
        for wrong in (
            "?limit=501",
            "?limit=0",
            "?subject=x",
            "?who=ann",
            "?since=2020-01-02T00:00Z&until=2020-01-01T00:00Z",
        ):
            assert (await get(wrong))[0] == 400, wrong


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["audit", *arguments])


async def test_the_command_lists_the_audit(running: Running) -> None:
    shown = await command("--by", "bob", "--since", "1h")
    assert (shown.exit_code, "test data" in shown.output, "ann" in shown.output) == (0, True, False)
    assert json.loads((await command("--action", "replay", "--json")).output)["lines"][0]["by"] == "ann"
    assert (await command("--target", "nothing")).output == "nothing was noted\n"
    assert "add: --before" in (await command("--limit", "1")).output
    assert running.operations.app_name == "audited"


async def test_a_list_without_bounds_is_refused(running: Running) -> None:
    for which in (AuditFilter(limit=0), AuditFilter(since=2.0, until=2.0)):
        with pytest.raises(InvalidInputError):
            await running.operations.audit.lines(which)


@pytest.mark.parametrize("sql", ["UPDATE postroom.audit SET actor = 'x'", "DELETE FROM postroom.audit"])
async def test_nobody_can_change_the_audit(running: Running, admin: Connection, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await admin.execute(sql)
    assert len(await running.operations.audit.lines(AuditFilter())) == 2
