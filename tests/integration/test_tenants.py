"""Tenants through HTTP and the command line of a running app: how they stand, what is set, why an event waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor
from runtime import App, Running
from runtime.cli import main
from runtime.core.policy import Policy, Scope
from tests.apps import run
from tests.postgres import Server


class Job(msgspec.Struct):
    n: int = 0


class Worker(Actor):
    gate: ClassVar[asyncio.Event]

    async def work(self, _: Job) -> None:
        await Worker.gate.wait()


class Scene:
    def __init__(self, app: App, running: Running, session: aiohttp.ClientSession) -> None:
        self.app = app
        self.running = running
        self.session = session

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with self.session.request(method, f"{self.running.url}{path}", data=data, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def command(self, *arguments: str) -> Result:
        arguments = (*arguments, "--url", str(self.running.url))
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    async def enqueue(self, tenant: str, key: str | None = None) -> str:
        return str(await self.app.enqueue("work", Job(), tenant=tenant, key=key))

    async def explain(self, event_id: str) -> Any:
        status, body, _ = await self.ask("GET", f"/v1/events/{event_id}/explain")
        assert status == 200
        return body

    async def causes(self, event_id: str) -> list[str]:
        return [reason["cause"] for reason in (await self.explain(event_id))["reasons"]]


@pytest.fixture
async def scene(database: Server, private_rendezvous: None) -> AsyncIterator[Scene]:
    Worker.gate = asyncio.Event()
    app = App("tenants")
    app.service("work", Worker, slots=4)
    app.tenant("acme", weight=2.0)
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:
        yield Scene(app, running, session)
        for tenant in ("acme", "bee"):
            await running.policies.change(Scope(None, tenant), Policy(state="active"), by="test")
        Worker.gate.set()
        await running.wait_idle("work")


class TestHttp:
    async def test_standings_tell_who_waits_and_runs(self, scene: Scene) -> None:
        for _ in range(6):
            await scene.enqueue("acme")
        status, body, _ = await scene.ask("GET", "/v1/tenants?service=work")
        assert status == 200
        [standing] = body["standings"]
        assert standing["share"]["tenant"] == "acme"
        assert (standing["share"]["waiting"], standing["share"]["slots"], standing["share"]["weight"]) == (2, 4, 2.0)

    async def test_a_policy_is_changed_shown_and_kept(self, scene: Scene) -> None:
        change = {"tenant": "acme", "set": {"slots": 3}, "by": "ann", "reason": "a test"}
        status, body, _ = await scene.ask("POST", "/v1/policies", change)
        assert status == 200
        assert body["settings"] == {"weight": 2.0, "slots": 3}
        assert (body["live"]["settings"], body["live"]["by"]) == ({"slots": 3}, "ann")
        _, listed, _ = await scene.ask("GET", "/v1/policies")
        assert [policy["settings"] for policy in listed["policies"]] == [{"weight": 2.0, "slots": 3}]
        await scene.ask("POST", "/v1/policies", {"tenant": "acme", "reset": ["slots"]})
        _, history, _ = await scene.ask("GET", "/v1/policies/history?tenant=acme")
        assert [version["settings"] for version in history["versions"]] == [{}, {"slots": 3}]
        assert history["versions"][1]["reason"] == "a test"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"tenant": "acme", "set": {"weight": -1}}, "weight"),
            ({"tenant": "acme", "set": {"speed": 1}}, "set.speed"),
            ({"service": "mail", "set": {"slots": 1}}, "service"),
            ({"tenant": "acme", "reset": ["speed"]}, "reset"),
            ({"tenant": "a\u0000b", "set": {"slots": 1}}, "tenant"),
            ({"tenant": "acme", "set": {"state": "asleep"}}, "set.state"),
        ],
    )
    async def test_what_is_wrong_is_named(self, scene: Scene, body: object, field: str) -> None:
        status, answer, _ = await scene.ask("POST", "/v1/policies", body)
        assert (status, answer["error"]["field"]) == (400, field)

    async def test_a_version_is_restored_and_what_came_after_it_is_gone(self, scene: Scene) -> None:
        for settings in ({"slots": 3}, {"rate": 5.0}):
            await scene.ask("POST", "/v1/policies", {"tenant": "acme", "set": settings})
        _, history, _ = await scene.ask("GET", "/v1/policies/history?tenant=acme")
        oldest = history["versions"][-1]["version"]
        status, body, _ = await scene.ask("POST", "/v1/policies/restore", {"version": oldest, "by": "ann"})
        assert (status, body["settings"]) == (200, {"weight": 2.0, "slots": 3})
        assert (body["live"]["by"], body["live"]["reason"]) == ("ann", f"version {oldest} restored")
        assert body["live"]["version"] > oldest + 1

    async def test_a_version_that_never_was_answers_404(self, scene: Scene) -> None:
        status, body, _ = await scene.ask("POST", "/v1/policies/restore", {"version": 77})
        assert (status, body["error"]["type"]) == (404, "NotFoundError")
        assert (await scene.ask("POST", "/v1/policies/restore", {"version": 0}))[0] == 400

    async def test_a_reached_limit_answers_429_with_the_facts(self, scene: Scene) -> None:
        await scene.ask("POST", "/v1/policies", {"service": "work", "set": {"rate": 0.5, "burst": 1}})
        event = {"tenant": "bee", "payload": {"n": 1}}
        assert (await scene.ask("POST", "/v1/services/work/events", event))[0] == 202
        status, body, headers = await scene.ask("POST", "/v1/services/work/events", event)
        assert status == 429
        assert int(headers["Retry-After"]) == 2
        assert body["error"]["limit"]["limit"] == "rate"
        assert body["error"]["limit"]["scope"] == "service work"

    async def test_a_drained_tenant_answers_409(self, scene: Scene) -> None:
        await scene.ask("POST", "/v1/policies", {"tenant": "bee", "set": {"state": "draining"}})
        status, body, _ = await scene.ask("POST", "/v1/services/work/events", {"tenant": "bee", "payload": {"n": 1}})
        assert (status, body["error"]["type"]) == (409, "ClosedError")

    async def test_a_tenant_whose_name_has_a_slash_is_found(self, scene: Scene) -> None:
        await scene.enqueue("a/b c")
        _, body, _ = await scene.ask("GET", "/v1/tenants/a%2Fb%20c")
        assert body["tenant"] == "a/b c"
        assert len(body["standings"]) == 1

    async def test_an_unknown_service_and_an_unknown_event_answer_404(self, scene: Scene) -> None:
        assert (await scene.ask("GET", "/v1/tenants?service=nothing"))[0] == 404
        assert (await scene.ask("GET", f"/v1/events/{uuid4()}/explain"))[0] == 404


class TestExplain:
    async def test_slots_that_are_all_filled(self, scene: Scene) -> None:
        for _ in range(4):
            await scene.enqueue("acme")
        event = await scene.enqueue("bee")
        assert await scene.causes(event) == ["service-slots"]
        body = await scene.explain(event)
        assert body["place"] == 1
        assert body["expected_seconds"] > 0

    async def test_a_cap_and_those_before_it(self, scene: Scene) -> None:
        await scene.ask("POST", "/v1/policies", {"tenant": "bee", "service": "work", "set": {"slots": 1}})
        for _ in range(2):
            await scene.enqueue("bee")
        event = await scene.enqueue("bee")
        assert await scene.causes(event) == ["tenant-cap", "turn"]
        assert (await scene.explain(event))["place"] == 2

    async def test_an_earlier_event_of_the_key(self, scene: Scene) -> None:
        await scene.enqueue("acme", "k")
        assert await scene.causes(await scene.enqueue("acme", "k")) == ["key-order"]

    async def test_a_pause_of_the_tenant_and_of_the_service(self, scene: Scene) -> None:
        await scene.ask("POST", "/v1/policies", {"tenant": "bee", "set": {"state": "paused"}})
        await scene.ask("POST", "/v1/policies", {"service": "work", "set": {"state": "paused"}})
        event = await scene.enqueue("bee")
        assert await scene.causes(event) == ["service-held", "hold"]
        assert (await scene.explain(event))["expected_seconds"] is None
        await scene.ask("POST", "/v1/policies", {"service": "work", "set": {"state": "active"}})

    async def test_a_delay(self, scene: Scene) -> None:
        event = str(await scene.app.enqueue("work", Job(), tenant="acme", delay_seconds=0.5))
        assert await scene.causes(event) == ["backoff"]
        assert 0 < (await scene.explain(event))["expected_seconds"] <= 0.5

    async def test_one_that_runs_waits_for_nothing(self, scene: Scene) -> None:
        event = await scene.enqueue("acme")
        assert await scene.causes(event) == []


class TestCommand:
    async def test_pausing_and_resuming_a_tenant(self, scene: Scene) -> None:
        result = await scene.command("tenants", "pause", "bee", "--reason", "too loud", "--by", "ann")
        assert result.stdout == "bee: state paused\n"
        event = await scene.enqueue("bee")
        assert "hold: its tenant is held: paused" in (await scene.command("explain", event)).stdout
        shown = (await scene.command("tenants", "show", "bee")).stdout
        assert "too loud" in shown
        assert "ann" in shown
        assert (await scene.command("tenants", "resume", "bee")).stdout == "bee: state active\n"

    async def test_setting_and_resetting(self, scene: Scene) -> None:
        result = await scene.command("tenants", "set", "acme", "--slots", "3", "--daily-quota", "1000")
        assert result.stdout == "acme: weight 2, slots 3, daily_quota 1000\n"
        result = await scene.command("tenants", "set", "acme", "--reset", "slots", "--json")
        assert json.loads(result.stdout)["settings"] == {"weight": 2.0, "daily_quota": 1000}
        assert "daily quota: 0 of 1,000 used" in (await scene.command("tenants", "show", "acme")).stdout

    async def test_the_history_and_the_audit_tell_who_and_an_earlier_version_is_restored(self, scene: Scene) -> None:
        assert "nobody has set" in (await scene.command("tenants", "history", "acme")).stdout
        await scene.command("tenants", "set", "acme", "--slots", "3", "--by", "ann", "--reason", "busy")
        await scene.command("tenants", "set", "acme", "--slots", "1", "--rate", "9")
        rows = (await scene.command("tenants", "history", "acme")).stdout.splitlines()[1:]
        assert [row.split()[-2:] for row in rows] == [["rate", "9"], ["slots", "3"]]
        version = rows[-1].split()[0]
        assert (await scene.command("tenants", "restore", version)).stdout == "acme: weight 2, slots 3\n"
        assert "slots 3 (busy)" in (await scene.command("audit", "--by", "ann", "--action", "set")).stdout
        assert "no version 99" in (await scene.command("tenants", "restore", "99")).stderr

    async def test_the_list_names_those_that_wait(self, scene: Scene) -> None:
        assert "nobody" in (await scene.command("tenants", "list")).stdout
        for _ in range(5):
            await scene.enqueue("acme")
        lines = (await scene.command("tenants", "list", "--service", "work")).stdout.splitlines()
        assert lines[1].split()[:4] == ["acme", "work", "1", "4"]

    @pytest.mark.parametrize(
        "arguments",
        [("pause",), ("set", "acme"), ("set", "acme", "--everything", "--slots", "1"), ("drain", "--reason", "x")],
    )
    async def test_what_cannot_be_meant_is_refused(self, scene: Scene, arguments: tuple[str, ...]) -> None:
        result = await scene.command("tenants", *arguments)
        assert result.exit_code == 2

    async def test_an_error_is_one_line(self, scene: Scene) -> None:
        result = await scene.command("tenants", "set", "acme", "--weight", "-1")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == ["postroom: error: weight: must be a finite number above 0, not -1.0"]
        assert "no job has the id" in (await scene.command("explain", str(uuid4()))).stderr
