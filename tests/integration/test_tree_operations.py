"""Supervisors of a running app over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, ActorSpec, Backoff, DynamicSpec, Request, Supervision, SupervisorSpec
from runtime import App
from runtime.cli import main
from tests.apps import run
from tests.postgres import Server


class Crash(msgspec.Struct):
    pass


class Ping(Request[None]):
    pass


class Worker(Actor):
    starts: ClassVar[int] = 0
    broken: ClassVar[bool] = False

    async def on_start(self) -> None:
        type(self).starts += 1
        if self.broken:
            raise RuntimeError("no port")

    def crash(self, _: Crash) -> None:
        raise RuntimeError("crash")

    def ping(self, _: Ping) -> None: ...


class Site:
    """The app and its address."""

    def __init__(self, app: App, url: str) -> None:
        self.app = app
        self.url = url

    async def get(self, path: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.json()

    async def post(self, verb: str, path: str) -> tuple[int, Any]:
        body = {"path": path, "by": "ada"}
        where = f"{self.url}/v1/supervisor/{verb}-child"
        async with aiohttp.ClientSession() as session, session.post(where, json=body) as response:
            return response.status, await response.json()


pytestmark = pytest.mark.usefixtures("private_rendezvous")


@pytest.fixture
async def site(database: Server) -> AsyncIterator[Site]:
    Worker.starts, Worker.broken = 0, False
    quick = Supervision(backoff=Backoff(initial_seconds=0.0))
    app = App("test")
    app.tree(SupervisorSpec("team", [ActorSpec("a", Worker, supervision=quick), DynamicSpec("pool", Worker)]))
    async with run(app, database, http="127.0.0.1:0") as running:
        assert running.url is not None
        yield Site(app, running.url)


async def test_a_supervisor_is_shown_with_its_children_and_why_they_ended(site: Site) -> None:
    ref = site.app.ref("team/a")
    ref.tell(Crash())
    await ref.ask(Ping())
    status, body = await site.get("/v1/supervisor?path=team")
    assert (status, body["path"]) == (200, "test/team")
    assert body["counts"] == {"specs": 2, "active": 2, "supervisors": 1, "workers": 1}
    first, second = body["children"]
    assert (first["name"], first["state"], first["restart"], first["restarts"]) == ("a", "running", "permanent", 1)
    assert [exited["reason"] for exited in first["exits"]] == ["RuntimeError: crash"]
    assert second["name"] == "pool"
    assert len((await site.get("/v1/supervisor?path=team&limit=1"))[1]["children"]) == 1


async def test_a_child_is_terminated_restarted_and_deleted_and_the_audit_says_by_whom(site: Site) -> None:
    for verb in ("terminate", "restart", "terminate", "delete"):
        assert await site.post(verb, "team/a") == (200, {"path": "team/a"})
    assert [child["name"] for child in (await site.get("/v1/supervisor?path=team"))[1]["children"]] == ["pool"]
    assert Worker.starts == 2
    _, page = await site.get("/v1/audit?by=ada")
    noted = [(line["action"], line["target"]) for line in page["lines"]]
    assert noted == [
        ("delete_child", "test/team/a"),
        ("terminate_child", "test/team/a"),
        ("restart_child", "test/team/a"),
        ("terminate_child", "test/team/a"),
    ]


@pytest.mark.parametrize(
    ("verb", "path", "status", "kind"),
    [
        ("restart", "team/a", 409, "ConflictError"),
        ("delete", "team/a", 409, "ConflictError"),
        ("restart", "team/pool/x", 409, "ConflictError"),
        ("terminate", "team/x", 404, "NotFoundError"),
        ("terminate", "other/x", 404, "NotFoundError"),
        ("terminate", "team", 404, "NotFoundError"),
        ("terminate", "services/x", 404, "NotFoundError"),
        ("terminate", "", 400, "BadRequestError"),
    ],
)
async def test_what_cannot_be_done_is_refused(site: Site, verb: str, path: str, status: int, kind: str) -> None:
    answered, body = await site.post(verb, path)
    assert (answered, body["error"]["type"]) == (status, kind)


async def test_a_child_that_cannot_start_again_says_why(site: Site) -> None:
    await site.post("terminate", "team/a")
    Worker.broken = True
    status, body = await site.post("restart", "team/a")
    assert (status, body["error"]["message"]) == (409, "test/team/a could not start: RuntimeError: no port")


async def test_a_supervisor_that_is_not_there_or_a_window_without_bounds_is_refused(site: Site) -> None:
    assert (await site.get("/v1/supervisor?path=nowhere"))[0] == 404
    assert (await site.get("/v1/supervisor"))[0] == 400
    assert (await site.get("/v1/supervisor?path=team&limit=501"))[0] == 400


async def postroom(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["children", *arguments])


async def test_the_command_lists_and_changes_children(site: Site) -> None:
    ref = site.app.ref("team/a")
    ref.tell(Crash())
    await ref.ask(Ping())
    listed = (await postroom("list", "team")).stdout.splitlines()
    assert "RuntimeError: crash" in listed[1]
    assert listed[-1] == "test/team: 1 actors and 1 supervisors, 2 of them active"
    assert (await postroom("terminate", "team/a", "--by", "ada")).stdout == "team/a has stopped\n"
    as_json = json.loads((await postroom("list", "team", "--json")).stdout)
    assert as_json["children"][0]["state"] == "terminated"
    assert (await postroom("restart", "team/a")).stdout == "team/a has started\n"
    refused = await postroom("restart", "team/a")
    assert (refused.exit_code, refused.stderr) == (1, "postroom: error: 'a' is running; terminate it first\n")
    for command in ("list", "restart", "terminate", "delete"):
        assert "Examples:" in (await postroom(command, "--help")).stdout


async def test_the_audit_keeps_nothing_of_what_was_refused(site: Site, database: Server) -> None:
    await site.post("restart", "team/a")
    _, page = await site.get("/v1/audit?by=ada")
    assert page["lines"] == []
