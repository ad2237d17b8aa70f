"""Trees of actors that an app declares: beside its services, over HTTP, at run time."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest

from actors import (
    Actor,
    ActorSpec,
    Backoff,
    DynamicSpec,
    Intensity,
    Ref,
    Request,
    Strategy,
    Supervision,
    SupervisorSpec,
)
from runtime import App
from runtime.app import NotRunningError
from runtime.errors import NotFoundError
from tests.apps import run
from tests.postgres import Server

QUICK = Supervision(backoff=Backoff(initial_seconds=0.001, max_seconds=0.002))


class Parse(msgspec.Struct):
    text: str


class Parsed(Request[list[str]]):
    pass


class Crash(msgspec.Struct):
    pass


class Parser(Actor[Parse | Crash]):
    log: ClassVar[list[str]] = []

    async def on_start(self) -> None:
        self.found: list[str] = []
        self.log.append(f"start {self.ctx.me.path}")

    async def on_stop(self) -> None:
        self.log.append(f"stop {self.ctx.me.path}")

    def parse(self, parse: Parse) -> None:
        self.found.append(parse.text)

    def parsed(self, _: Parsed) -> list[str]:
        return self.found

    def crash(self, _: Crash) -> None:
        raise RuntimeError("crash")


class Reader(Actor):
    """A service whose events go to an actor in a tree."""

    async def on_start(self) -> None:
        Parser.log.append("start reader")

    async def on_stop(self) -> None:
        Parser.log.append("stop reader")

    async def read(self, parse: Parse) -> None:
        self.ctx.ref("pipeline/parser").tell(parse)
        session = await self.ctx.supervisor("pipeline/sessions").start_child(parse.text)
        session.tell(parse)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Parser.log.clear()


def pipeline(**settings: Any) -> App:
    app = App("test")
    app.service("reader", Reader, slots=1)
    app.tree(
        SupervisorSpec(
            "pipeline",
            [ActorSpec("parser", Parser, supervision=QUICK), DynamicSpec("sessions", Parser, template=QUICK)],
            strategy=Strategy.REST_FOR_ONE,
            **settings,
        )
    )
    return app


async def test_services_find_a_tree_at_work_before_they_start_and_until_they_have_stopped(database: Server) -> None:
    app = pipeline()
    async with run(app, database) as running:
        await app.enqueue("reader", Parse("a"), tenant="t")
        await running.wait_idle("reader")
        assert await app.ref("pipeline/parser").ask(Parsed()) == ["a"]
        assert await app.ref("test/pipeline/sessions/a").ask(Parsed()) == ["a"]
        assert app.supervisor("pipeline/sessions").count_children().workers == 1
    assert Parser.log == [
        "start test/pipeline/parser",
        "start reader",
        "start test/pipeline/sessions/a",
        "stop reader",
        "stop test/pipeline/sessions/a",
        "stop test/pipeline/parser",
    ]


async def test_http_shows_the_tree_with_the_reasons_of_the_last_exits(database: Server) -> None:
    app = pipeline()
    async with run(app, database, http="127.0.0.1:0") as running:
        ref: Ref[Parse | Crash] = app.ref("pipeline/parser")
        ref.tell(Crash())
        assert await ref.ask(Parsed()) == []
        async with aiohttp.ClientSession() as session, session.get(f"{running.url}/v1/tree") as response:
            root: Any = await response.json()
    names = [child["name"] for child in root["children"]]
    assert names[names.index("pipeline") :] == ["pipeline", "services", "schedules", "members", "moves", "http"]
    tree = root["children"][names.index("pipeline")]
    assert (tree["kind"], tree["strategy"], tree["state"]) == ("supervisor", "rest_for_one", "running")
    parser, sessions = tree["children"]
    assert (parser["name"], parser["kind"], parser["restarts"]) == ("parser", "actor", 1)
    assert [each["reason"] for each in parser["exits"]] == ["RuntimeError: crash"]
    assert sessions["strategy"] == "simple_one_for_one"


async def test_a_tree_that_gives_up_is_restarted_by_the_app_and_references_hold(database: Server) -> None:
    app = pipeline(intensity=Intensity(max_restarts=0))
    async with run(app, database) as running:
        ref = app.ref("pipeline/parser")
        ref.tell(Crash())
        async with asyncio.timeout(10):
            while next(node for node in running.node().children if node.name == "pipeline").restarts == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await ref.ask(Parsed()) == []


async def test_a_path_that_leads_nowhere_is_not_found_and_an_app_that_is_not_running_says_so(database: Server) -> None:
    app = pipeline()
    for ask in (lambda: app.ref("pipeline/parser"), lambda: app.supervisor("pipeline")):
        with pytest.raises(NotRunningError):
            ask()
    async with run(app, database):
        for path in ("pipeline/x", "pipeline/sessions", "x/y"):
            with pytest.raises(NotFoundError, match=f"there is no actor '{path}' in the trees of test"):
                app.ref(path)
        with pytest.raises(NotFoundError):
            app.supervisor("reader")
