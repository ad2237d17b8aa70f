"""Schedules through HTTP and the command line of a running app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor
from runtime import App, Running
from runtime.cli import main
from tests.apps import run
from tests.postgres import Server

NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Athens", "service": "ledger", "payload": {"day": 7}}


class Close(msgspec.Struct):
    day: int = 1


class Open(msgspec.Struct):
    pass


class Ledger(Actor):
    async def close(self, close: Close) -> None: ...


class Doors(Actor):
    async def open(self, opening: Open) -> None: ...
    async def close(self, close: Close) -> None: ...


class Scene:
    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.session = session

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{self.running.url}/v1/schedules{path}"
        async with self.session.request(method, url, data=data, headers=headers) as response:
            return response.status, await response.json()

    async def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str | None, str]:
        status, answer = await self.ask(method, path, body)
        return status, answer["error"]["field"], answer["error"]["message"]

    async def command(self, *arguments: str, stdin: str | None = None) -> Result:
        arguments = ("schedules", *arguments, "--url", str(self.running.url))
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=stdin)

    async def told(self, *arguments: str, stdin: str | None = None) -> str:
        result = await self.command(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def answer(self, *arguments: str) -> Any:
        return json.loads(await self.told(*arguments, "--json"))


@pytest.fixture
async def scene(database: Server, private_rendezvous: None) -> AsyncIterator[Scene]:
    app = App("closing")
    app.service("ledger", Ledger)
    app.service("doors", Doors)
    app.schedule("declared", cron="@daily", to="ledger", message=Close(), tenant="acme")
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:
        yield Scene(running, session)


async def test_a_schedule_is_put_shown_listed_and_deleted(scene: Scene) -> None:
    status, made = await scene.ask("PUT", "/acme/nightly", {**NIGHTLY, "by": "ann"})
    assert status == 200
    assert made == {
        **NIGHTLY,
        "tenant": "acme",
        "name": "nightly",
        "type": "Close",
        "key": None,
        "overlap": "skip",
        "catch_up_seconds": None,
        "source": "people",
        "paused": False,
        "next_at": made["next_at"],
        "waiting_at": None,
        "held": None,
        "ran_at": None,
        "job": None,
        "runs": 0,
        "skipped": 0,
        "missed": 0,
        "note": None,
        "noted_at": None,
        "changed_at": made["changed_at"],
        "changed_by": "ann",
    }
    assert made["next_at"].endswith(":00:00Z")
    assert await scene.ask("GET", "/acme/nightly") == (200, made)
    _, page = await scene.ask("GET", "?tenant=acme&limit=1")
    assert [each["name"] for each in page["schedules"]] == ["declared"]
    _, rest = await scene.ask("GET", f"?limit=1&after={page['next']}")
    assert rest == {"schedules": [made], "next": "acme/nightly"}
    assert (await scene.ask("GET", f"?after={rest['next']}"))[1] == {"schedules": [], "next": None}
    assert (await scene.ask("DELETE", "/acme/nightly?by=ann&reason=done")) == (200, made)
    assert await scene.refusal("GET", "/acme/nightly") == (404, None, "acme has no schedule 'nightly'")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"cron": "61 * * * *"}, 400, "cron"),
        ({"cron": None}, 400, "cron"),
        ({"timezone": "Mars/Olympus"}, 400, "timezone"),
        ({"service": "gone"}, 400, "service"),
        ({"service": "doors"}, 400, "type"),
        ({"type": "Open"}, 400, "type"),
        ({"payload": {"day": "x"}}, 422, "payload.day"),
        ({"overlap": "maybe"}, 400, "overlap"),
        ({"catch_up_seconds": -1}, 400, "catch_up_seconds"),
        ({"key": ""}, 400, "key"),
        ({"by": ""}, 400, "by"),
        ({"every": "minute"}, 400, "every"),
    ],
)
async def test_a_field_that_is_wrong_is_named(scene: Scene, change: dict[str, Any], status: int, field: str) -> None:
    assert (await scene.refusal("PUT", "/acme/nightly", {**NIGHTLY, **change}))[:2] == (status, field)
    assert (await scene.refusal("GET", "/acme/nightly"))[0] == 404


async def test_paths_and_queries_that_are_wrong_are_refused(scene: Scene) -> None:
    assert (await scene.refusal("PUT", "/acme/Nightly", NIGHTLY))[:2] == (400, "name")
    assert (await scene.refusal("GET", "/acme/declared/moments?limit=0"))[:2] == (400, "limit")
    assert (await scene.refusal("GET", "?limit=501"))[:2] == (400, "limit")
    assert (await scene.refusal("POST", "/acme/gone/pause", {}))[0] == 404
    assert (await scene.refusal("PUT", "/acme/declared", NIGHTLY))[0] == 409
    assert (await scene.refusal("DELETE", "/acme/declared"))[0] == 409


async def test_the_command_sets_shows_and_deletes(scene: Scene) -> None:
    shown = await scene.told("set", "acme", "nightly", "--cron", "0 3 * * *", "--to", "ledger", '{"day": 7}')
    assert "cron:        0 3 * * * in UTC" in shown
    assert "type:        Close" in shown
    await scene.told("set", "acme", "nightly", "--timezone", "Europe/Athens", "--overlap", "queue", "--catch-up", "60")
    again = json.loads(
        await scene.told("set", "acme", "nightly", "-", "--key", "{moment}", "--json", stdin='{"day": 8}')
    )
    assert (again["cron"], again["timezone"], again["overlap"]) == ("0 3 * * *", "Europe/Athens", "queue")
    shown = await scene.told("show", "acme", "nightly")
    assert '"day": 8' in shown
    assert "catch up:    within 60 s" in shown
    listed = (await scene.told("list")).splitlines()
    assert " ".join(listed[0].split()) == "tenant name cron timezone to next last runs skipped missed state"
    assert [line.split()[:2] for line in listed[1:]] == [["acme", "declared"], ["acme", "nightly"]]
    assert (await scene.told("next", "acme", "nightly", "--count", "3")).count(":00:00Z") == 3
    assert await scene.told("delete", "acme", "nightly") == "deleted nightly of acme, which ran 0 times\n"
    assert await scene.told("list", "--tenant", "bee") == "no such schedules\n"


async def test_the_command_pauses_what_the_code_declares_and_the_audit_says_who(scene: Scene) -> None:
    paused = await scene.told("pause", "acme", "declared", "--reason", "month end", "--by", "ann")
    assert "state:       paused" in paused
    assert (await scene.answer("show", "acme", "declared"))["next_at"] is None
    assert "state:       active" in await scene.told("resume", "acme", "declared", "--by", "bob")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["audit", "--url", str(scene.running.url)])
    assert [" ".join(line.split()[2:6]) for line in result.stdout.splitlines()[1:]] == [
        "bob resume_schedule acme/declared",
        "ann pause_schedule acme/declared month",
        "closing set_schedule acme/declared @daily",
    ]


async def test_a_command_that_lacks_something_says_what(scene: Scene) -> None:
    result = await scene.command("set", "acme", "nightly", "--cron", "@daily")
    assert result.exit_code == 2
    assert "A new schedule needs --to and a PAYLOAD." in result.stderr
    result = await scene.command("set", "acme", "nightly", "--cron", "@dayly", "--to", "ledger", "{}")
    assert (result.exit_code, result.stderr.startswith("postroom: error: cron: '@dayly' is none of")) == (1, True)
    result = await scene.command("delete", "acme", "declared")
    assert "the app's code declares the schedule declared" in result.stderr
