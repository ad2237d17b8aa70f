"""An actor whose tests run functions on it, inside a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors import (
    Actor,
    ReceiveTimeout,
    Ref,
    Request,
    Restart,
    Supervision,
    Terminated,
)
from tests.unit.arena import AT_ONCE, Arena, cell_of, wait_until


class Note(msgspec.Struct):
    text: str


class Do(Request[Any]):
    """Run a function on the actor, inside a handler."""

    what: Callable[[Any], Any]


class Get(Request[list[str]]):
    pass


class Clerk(Actor):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.closed = False

    async def before_restart(self, reason: BaseException) -> None:
        self.trace("before restart")

    async def on_stop(self) -> None:
        self.trace("stop")

    async def on_restart(self, reason: BaseException) -> None:
        self.trace(f"restarted after {type(reason).__name__}")

    def trace(self, what: str) -> None:
        TRACE.append((self.ctx.me.path, what))

    def note(self, note: Note) -> None:
        if self.closed:
            self.ctx.stash(note)
        else:
            self.notes.append(note.text)

    async def do(self, do: Do) -> Any:
        result = do.what(self)
        return await result if asyncio.iscoroutine(result) else result

    def get(self, _: Get) -> list[str]:
        return self.notes

    def terminated(self, notice: Terminated) -> None:
        self.notes.append(f"{notice.path} {notice.reason}")

    def silence(self, notice: ReceiveTimeout) -> None:
        self.notes.append(f"silence {notice.seconds}")


class Deaf(Actor):
    async def do(self, do: Do) -> Any:
        return do.what(self)


TRACE: list[tuple[str, str]] = []
TRANSIENT = Supervision(restart=Restart.TRANSIENT, backoff=AT_ONCE.backoff, shutdown_seconds=0.2)
TEMPORARY = Supervision(restart=Restart.TEMPORARY, shutdown_seconds=0.2)


async def two(actors: Arena) -> tuple[Ref, Ref]:
    return await actors.make(Clerk, "a"), await actors.make(Clerk, "b")


def crash(_: Any) -> None:
    raise ValueError("clerk")


def close(clerk: Clerk) -> None:
    clerk.closed = True


def unstash(clerk: Clerk) -> None:
    clerk.closed = False
    clerk.ctx.unstash()


async def make_crash(ref: Ref) -> None:
    with pytest.raises(ValueError, match="clerk"):
        await ref.ask(Do(crash))


async def notes_are(ref: Ref, expected: list[str]) -> None:
    await wait_until(lambda: cell_of(ref).idle and getattr(cell_of(ref).instance, "notes", None) == expected)
