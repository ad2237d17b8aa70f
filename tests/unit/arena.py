"""Actors without a store: a root actor on a run queue, everything else spawned below it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from actors import Actor, ActorError, Backoff, Bounded, Ref, Request, Supervision, SupervisorRef
from runtime.cells.cell import Cell
from runtime.cells.children import spawn_child
from runtime.cells.dead_messages import DeadReason
from runtime.cells.run_queue import RunQueue
from runtime.clock import SystemClock
from runtime.machinery import Machinery

AT_ONCE = Supervision(backoff=Backoff(initial_seconds=0, max_seconds=0), shutdown_seconds=0.2)


class Arena:
    """What actors find around them, and the root's owner."""

    def __init__(self, *, inline_asks: bool = True, development: bool = False) -> None:
        self.clock = SystemClock()
        self.random = random.Random(0)
        self.run_queue = RunQueue(inline_asks=inline_asks, development=development)
        self.failures: list[BaseException] = []
        self.resumed: list[BaseException] = []
        self.dropped_messages: list[tuple[str, object, DeadReason]] = []
        self.root = Cell(
            "root", Root, service="root", tenant=None, key=None, owner=self, run_queue=self.run_queue, clock=self.clock
        )

    async def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
    ) -> Ref:
        return await spawn_child(cast("Machinery", self), parent, actor, name, supervision or AT_ONCE, mailbox)

    async def make(
        self, actor: type[Actor], name: str, supervision: Supervision | None = None, mailbox: Bounded | None = None
    ) -> Ref:
        return await self.spawn(self.root, actor, name, supervision, mailbox)

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        raise ActorError(f"there is no service {service!r}")

    async def restore(self, cell: Cell, instance: Actor) -> None: ...

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        self.failures.append(reason)

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        self.resumed.append(reason)

    def supervisor_at(self, path: str) -> SupervisorRef:
        raise ActorError(f"there is no supervisor {path!r}")

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None: ...

    def quits(self, cell: Cell) -> BaseException | None: ...

    def cell_stopped(self, cell: Cell) -> None: ...

    def dropped(self, cell: Cell, message: object, reason: DeadReason) -> None:
        self.dropped_messages.append((cell.path, message, reason))


class Ping(Request[None]):
    """Answered with nothing."""


class Root(Actor):
    """Has children and nothing else to do."""

    async def ping(self, _: Ping) -> None: ...


def cell_of(ref: Ref) -> Cell:
    return cast("Any", ref).cell()  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def arena(*, inline_asks: bool = True, development: bool = False) -> AsyncIterator[Arena]:
    made = Arena(inline_asks=inline_asks, development=development)
    made.root.start()
    await made.root.ref.ask(Ping())
    try:
        yield made
    finally:
        await made.root.stop(5.0)
        await made.run_queue.close()
        left = [task for task in asyncio.all_tasks() if task.get_name() == "postroom-runner"]
        assert not left


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 # the loop itself is what is waited for
            await asyncio.sleep(0)
