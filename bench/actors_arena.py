"""Actors in memory without a database: the one place where the benchmarks touch the runtime's inside."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, cast

from actors import Actor, ActorError, Bounded, Ref, Supervision, SupervisorRef
from runtime.cells.cell import Cell
from runtime.cells.children import spawn_child
from runtime.cells.dead_messages import DeadReason
from runtime.cells.place import DEFAULT_SUPERVISION
from runtime.cells.run_queue import RunQueue
from runtime.clock import SystemClock

if TYPE_CHECKING:
    from runtime.machinery import Machinery

ROOT = "bench"
STOP_SECONDS = 60.0


class Arena:
    """A run queue and a root actor; everything else is spawned under the root's supervisor, as `Context.spawn` does."""

    def __init__(self) -> None:
        self._surroundings = _Surroundings()
        self._root = Cell(
            ROOT,
            _Root,
            service=ROOT,
            tenant=None,
            key=None,
            owner=self._surroundings,
            run_queue=self._surroundings.run_queue,
            clock=self._surroundings.clock,
        )

    def spawn(self, actor: type[Actor], name: str, supervision: Supervision | None = None) -> Coroutine[Any, Any, Ref]:
        return self._root.spawn(actor, name, supervision)

    async def spawn_bounded(self, actor: type[Actor], name: str, bound: int) -> Ref:
        """An actor whose mailbox makes `send` wait for room."""
        return await self._root.spawn(actor, name, None, Bounded(bound))

    @property
    def living(self) -> int:
        """How many spawned actors have not ended."""
        return 0 if self._root.children is None else len(self._root.children)

    async def start(self) -> None:
        self._root.start()

    async def stop(self) -> None:
        await self._root.stop(STOP_SECONDS)
        await self._surroundings.run_queue.close()


class _Surroundings:
    """What actors find around them: the part of `Machinery` that needs no store, and the owner of the root."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.random = random.Random(0)
        self.run_queue = RunQueue()

    def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
    ) -> Coroutine[Any, Any, Ref]:
        return spawn_child(cast("Machinery", self), parent, actor, name, supervision or DEFAULT_SUPERVISION, mailbox)

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:  # noqa: ARG002 # the protocol's signature
        raise ActorError(f"a benchmark has no service {service!r}")

    async def restore(self, cell: Cell, instance: Actor) -> None:
        """No actor here has a durable state."""

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        raise ActorError(f"{cell.path} failed: {reason}") from reason

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        """Nothing decides so here."""

    def supervisor_at(self, path: str) -> SupervisorRef:
        raise ActorError(f"a benchmark has no supervisor {path!r}")

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        """Only durable events explain a restart, and there are none here."""

    def quits(self, cell: Cell) -> BaseException | None:
        raise ActorError(f"{cell.path} is not to stop")

    def cell_stopped(self, cell: Cell) -> None:
        """The root stops with the arena alone."""

    def dropped(self, cell: Cell, message: object, reason: DeadReason) -> None:
        raise ActorError(f"{cell.path} did not get {message!r}: {reason}")


class _Root(Actor):
    """Has children and nothing else to do."""


@contextlib.asynccontextmanager
async def arena() -> AsyncIterator[Arena]:
    """Actors run inside the block; what was spawned is stopped at its end."""
    made = Arena()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
