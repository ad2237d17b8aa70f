"""Dead letters in memory as people see them: over HTTP and on the command line, from a running app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner

from actors import Actor, ActorStoppedError, Bounded, Overflow, Request
from runtime import App, Running
from runtime.cli import main
from runtime.errors import InvalidInputError
from tests.apps import run
from tests.postgres import Server


class Note(msgspec.Struct):
    text: str


class Hold(Request[None]):
    pass


class Quit(msgspec.Struct):
    pass


class Clerk(Actor):
    held: ClassVar[asyncio.Event]
    release: ClassVar[asyncio.Event]

    def note(self, note: Note) -> None: ...

    def quit(self, _: Quit) -> None:
        self.ctx.stop()

    async def hold(self, _: Hold) -> None:
        self.held.set()
        await self.release.wait()


@pytest.fixture(autouse=True)
def clean(private_rendezvous: None) -> None:
    Clerk.held, Clerk.release = asyncio.Event(), asyncio.Event()


@pytest.fixture
async def running(database: Server) -> AsyncIterator[Running]:
    """An app in which one message found no room, and one came after the end."""
    app = App("desk")
    app.service("clerks", Clerk, keyed=True, mailbox=Bounded(1, Overflow.DROP_NEWEST))
    async with run(app, database, http="127.0.0.1:0") as found:
        ref = app.ref("clerks", tenant="t", key="k")
        cell = found.machinery.services["clerks"].cell_for_message("t", "k")
        holding = asyncio.create_task(ref.ask(Hold()))
        await Clerk.held.wait()
        ref.tell(Quit())
        ref.tell(Note("no room"))
        Clerk.release.set()
        await holding
        async with asyncio.timeout(5):
            while not cell.stopped:  # noqa: ASYNC110
                await asyncio.sleep(0)
        with pytest.raises(ActorStoppedError):
            cell.ref.tell(Note("too late"))
        yield found


async def test_http_shows_counts_and_the_last_ones(running: Running) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{running.url}/v1/dead-messages") as response:
            body: Any = await response.json()
        async with session.get(f"{running.url}/v1/dead-messages?limit=1") as response:
            assert [each["type"] for each in (await response.json())["dead_messages"]] == ["Note"]
        async with session.get(f"{running.url}/v1/dead-messages?limit=0") as response:
            assert response.status == 400
            assert (await response.json())["error"]["field"] == "limit"
    assert body["total"] == 2
    assert body["reasons"] == {"stopped": 1, "mailbox_full": 1, "dropped_oldest": 0}
    assert [(each["path"], each["type"], each["reason"], each["message"]) for each in body["dead_messages"]] == [
        ("desk/services/clerks/t:k", "Note", "stopped", '{"text":"too late"}'),
        ("desk/services/clerks/t:k", "Note", "mailbox_full", '{"text":"no room"}'),
    ]


async def test_the_command_lists_them_for_people_and_programs(running: Running) -> None:
    told = await asyncio.to_thread(CliRunner().invoke, main, ["dead-messages"])
    assert told.exit_code == 0, told.output
    assert "desk/services/clerks/t:k" in told.stdout
    assert told.stdout.splitlines()[-1] == "2 in all: 1 stopped, 1 mailbox_full"
    as_json = await asyncio.to_thread(CliRunner().invoke, main, ["dead-messages", "--limit", "1", "--json"])
    assert len(json.loads(as_json.stdout)["dead_messages"]) == 1


async def test_a_window_without_bounds_is_refused(running: Running) -> None:
    for limit in (0, 501):
        with pytest.raises(InvalidInputError, match="limit: must be between 1 and 500"):
            running.operations.dead_messages(limit)
