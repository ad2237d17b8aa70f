"""Actors for tests of trees: they write down what becomes of them."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, ActorSpec, Request, Restart, Strategy, Supervision, SupervisorSpec, Terminated
from tests.unit.arena import AT_ONCE, wait_until

TRANSIENT = Supervision(restart=Restart.TRANSIENT, backoff=AT_ONCE.backoff)
TEMPORARY = Supervision(restart=Restart.TEMPORARY)


class Note(msgspec.Struct):
    text: str


class Crash(msgspec.Struct):
    pass


class Do(msgspec.Struct):
    what: str


class GetNotes(Request[list[str]]):
    pass


class Hold(Request[None]):
    pass


class Worker(Actor):
    log: ClassVar[list[str]] = []
    start_error: ClassVar[dict[str, BaseException]] = {}
    start_hangs: ClassVar[set[str]] = set()
    held: ClassVar[asyncio.Event]
    release: ClassVar[asyncio.Event]

    def _name(self) -> str:
        return self.ctx.me.path.rpartition("/")[2]

    async def on_start(self) -> None:
        self.notes: list[str] = []
        if self._name() in self.start_hangs:
            self.held.set()
            await asyncio.Event().wait()
        if (error := self.start_error.get(self._name())) is not None:
            raise error
        self.log.append(f"start {self._name()}")

    async def on_stop(self) -> None:
        self.log.append(f"stop {self._name()}")

    async def on_restart(self, reason: BaseException) -> None:
        self.log.append(f"restarted {self._name()} after {reason}")

    def note(self, note: Note) -> None:
        self.notes.append(note.text)

    def get_notes(self, _: GetNotes) -> list[str]:
        return self.notes

    def crash(self, _: Crash) -> None:
        raise RuntimeError("crash")

    def do(self, do: Do) -> None:
        getattr(self.ctx, do.what)()

    async def hold(self, _: Hold) -> None:
        self.held.set()
        await self.release.wait()


class Watcher(Actor):
    told: ClassVar[list[Terminated]] = []

    def terminated(self, notice: Terminated) -> None:
        self.told.append(notice)

    def watch(self, watch: Do) -> None:
        self.ctx.watch(self.ctx.ref(watch.what))


@pytest.fixture(autouse=True)
def forget_all() -> None:
    Worker.log.clear()
    Worker.start_error.clear()
    Worker.start_hangs.clear()
    Worker.held, Worker.release = asyncio.Event(), asyncio.Event()
    Watcher.told.clear()


def worker(name: str, supervision: Supervision = AT_ONCE, **settings: Any) -> ActorSpec:
    return ActorSpec(name, Worker, supervision=supervision, **settings)


def team(strategy: Strategy = Strategy.ONE_FOR_ONE, **settings: Any) -> SupervisorSpec:
    return SupervisorSpec("team", [worker("a"), worker("b"), worker("c")], strategy=strategy, **settings)


async def logged(line: str) -> None:
    await wait_until(lambda: line in Worker.log)
