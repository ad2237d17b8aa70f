"""What becomes of a service's actor that fails over a message in memory, as its decider says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import msgspec
import pytest

from actors import Actor, Backoff, Decider, Directive, Request, Supervision
from runtime import App, Running
from runtime.tree import TreeNode
from tests.apps import run
from tests.postgres import Server


class Add(msgspec.Struct):
    n: int


class Crash(msgspec.Struct):
    pass


class GetTotal(Request[int]):
    pass


class Adder(Actor):
    lives: ClassVar[int] = 0

    async def on_start(self) -> None:
        type(self).lives += 1
        self.total = 0

    def add(self, add: Add) -> None:
        self.total += add.n

    def get_total(self, _: GetTotal) -> int:
        return self.total

    def crash(self, _: Crash) -> None:
        raise KeyError("crash")


def adders(directive: Directive) -> App:
    Adder.lives = 0
    app = App("test")
    decider = Decider(((KeyError, directive),))
    supervision = Supervision(decider=decider, backoff=Backoff(initial_seconds=0.0))
    app.service("adders", Adder, keyed=True, supervision=supervision)
    return app


def service(running: Running) -> TreeNode:
    return next(node for node in running.node().children if node.name == "services").children[0]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("directive", "total", "lives"), [(Directive.RESUME, 3, 1), (Directive.RESTART, 2, 2)])
async def test_it_goes_on_with_its_state_or_begins_anew(
    database: Server, directive: Directive, total: int, lives: int
) -> None:
    app = adders(directive)
    async with run(app, database):
        ref = app.ref("adders", tenant="t", key="a")
        for message in (Add(1), Crash(), Add(2)):
            ref.tell(message)
        assert await ref.ask(GetTotal()) == total
        assert Adder.lives == lives


async def test_it_ends_and_the_next_message_makes_it_anew(database: Server) -> None:
    app = adders(Directive.STOP)
    async with run(app, database) as running:
        ref = app.ref("adders", tenant="t", key="a")
        for message in (Add(1), Crash(), Add(2)):
            ref.tell(message)
        await until(lambda: service(running).children_total == 0)
        assert running.machinery.run_queue.dead.total == 1
        assert await ref.ask(GetTotal()) == 0
        assert service(running).restarts == 0


async def test_it_fails_the_service_which_is_restarted(database: Server) -> None:
    app = adders(Directive.ESCALATE)
    async with run(app, database) as running:
        app.ref("adders", tenant="t", key="a").tell(Crash())
        await until(lambda: service(running).restarts == 1 and service(running).state == "running")
        reason = service(running).last_reason
        assert reason is not None
        assert reason.startswith("EscalatedError: supervisor 'test/services/adders' passes on the failure of 't:a'")
        assert await app.ref("adders", tenant="t", key="a").ask(GetTotal()) == 0
