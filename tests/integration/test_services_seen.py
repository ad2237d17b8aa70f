"""States of actors and parked tenants through HTTP and the command line of a running app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, Breaker, RetryPolicy
from runtime import App, Enqueue, Running
from runtime.cli import main
from tests.apps import run
from tests.postgres import Server


class Tally(msgspec.Struct):
    count: int = 0


class Add(msgspec.Struct):
    pass


class Counter(Actor):
    state: Tally

    async def add(self, _: Add) -> None:
        self.state.count += 1


class Caller(Actor):
    down: ClassVar[bool] = True

    async def call(self, _: Add) -> None:
        if Caller.down:
            raise RuntimeError("its destination is down")


class Scene:
    def __init__(self, app: App, running: Running, session: aiohttp.ClientSession) -> None:
        self.app = app
        self.running = running
        self._session = session

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with self._session.request(method, f"{self.running.url}{path}", data=data, headers=headers) as response:
            return response.status, await response.json()

    async def command(self, *arguments: str) -> Result:
        arguments = (*arguments, "--url", str(self.running.url))
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    async def park(self) -> None:
        """Have the tenant acme fail until it is parked."""
        await self.app.enqueue_many("calls", [Enqueue(message=Add(), tenant="acme") for _ in range(30)])
        async with asyncio.timeout(20):
            while not any(each.breaker.opened_at for each in self.running.operations.desk.breakers("calls")):  # noqa: ASYNC110 # nothing tells of it
                await asyncio.sleep(0.005)


@pytest.fixture
async def scene(database: Server) -> AsyncIterator[Scene]:
    Caller.down = True
    app = App("test")
    app.service("counters", Counter, keyed=True)
    breaker = Breaker(window=5, pause_seconds=500.0)
    app.service("calls", Caller, slots=1, retry=RetryPolicy(attempts=1), breaker=breaker)
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:
        yield Scene(app, running, session)


async def test_the_state_of_an_actor_is_shown_as_it_is_stored(scene: Scene) -> None:
    for _ in range(2):
        await scene.app.enqueue("counters", Add(), tenant="acme", key="ann lee")
    await scene.running.wait_idle("counters")
    status, found = await scene.ask("GET", "/v1/services/counters/state?tenant=acme&key=ann+lee")
    assert (status, found["version"], found["state"]) == (200, 1, {"count": 2})
    assert found["saved_at"].endswith("Z")
    shown = await scene.command("state", "counters", "--tenant", "acme", "--key", "ann lee")
    assert (shown.exit_code, '"count": 2' in shown.output) == (0, True)
    as_json = await scene.command("state", "counters", "--tenant", "acme", "--key", "ann lee", "--json")
    assert json.loads(as_json.output)["state"] == {"count": 2}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("counters/state?tenant=acme&key=nobody", "counters has no state of tenant 'acme' and key 'nobody'"),
        ("calls/state?tenant=acme&key=ann", "the actors of calls have no durable state"),
        ("nothing/state?tenant=acme&key=ann", "no service is named 'nothing'"),
    ],
)
async def test_a_state_that_is_not_there_is_not_found(scene: Scene, path: str, problem: str) -> None:
    status, found = await scene.ask("GET", f"/v1/services/{path}")
    assert (status, found["error"]["message"]) == (404, problem)


async def test_a_state_needs_tenant_and_key(scene: Scene) -> None:
    status, found = await scene.ask("GET", "/v1/services/counters/state?tenant=acme")
    assert (status, found["error"]["field"], found["error"]["message"]) == (400, "key", "is required")


async def test_a_parked_tenant_is_shown_and_resumed_and_who_did_it_is_noted(scene: Scene) -> None:
    await scene.park()
    status, found = await scene.ask("GET", "/v1/breakers?service=calls")
    [parked] = found["breakers"]
    assert (status, parked["tenant"], parked["state"], parked["failed"]) == (200, "acme", "open", 5)
    assert parked["reason"] == "RuntimeError: its destination is down"
    listed = await scene.command("breakers", "list")
    assert "acme" in listed.output
    assert "5 of 5" in listed.output
    Caller.down = False
    status, done = await scene.ask("POST", "/v1/services/calls/breakers/resume", {"tenant": "acme", "by": "ann"})
    assert (status, done) == (200, {"service": "calls", "tenant": "acme"})
    async with asyncio.timeout(20):
        await scene.running.wait_idle("calls")
    status, audit = await scene.ask("GET", "/v1/audit?action=resume_tenant")
    assert [(line["by"], line["target"]) for line in audit["lines"]] == [("ann", "calls/acme")]


async def test_a_tenant_is_resumed_on_the_command_line(scene: Scene) -> None:
    await scene.park()
    Caller.down = False
    done = await scene.command("breakers", "resume", "calls", "acme")
    assert done.output == "acme goes on in calls\n"
    again = await scene.command("breakers", "resume", "calls", "acme")
    assert again.exit_code == 1
    assert again.output == "postroom: error: calls has not parked tenant 'acme'\n"
    async with asyncio.timeout(20):
        await scene.running.wait_idle("calls")
    nobody = await scene.command("breakers", "list")
    assert nobody.output == "no tenant had a failure lately\n"


async def test_a_service_that_is_not_there_has_no_breakers(scene: Scene) -> None:
    assert (await scene.ask("GET", "/v1/breakers?service=nothing"))[0] == 404
    assert (await scene.ask("POST", "/v1/services/nothing/breakers/resume", {"tenant": "acme"}))[0] == 404
