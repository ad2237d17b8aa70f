"""An actor as a child in a tree of supervisors.

The place of the actor, with its mailbox and its reference, outlasts what its supervisor does to it: a crash, a restart
together with its siblings, a stop and a start by request. While its next life is due, messages wait; when its
supervisor has decided that there is none, it retires: they become dead letters, and who watches it is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from actors.actor import Actor
from actors.ref import Ref
from actors.spec import Restart
from actors.tree import ActorSpec
from runtime.cells.cell import Cell
from runtime.cells.environment import Resident
from runtime.cells.state import QuitError
from runtime.core.supervision_errors import ChildStuckError
from runtime.supervision.child import OnExit
from runtime.tree import TreeNode

if TYPE_CHECKING:
    from runtime.machinery import Machinery


class Reports(Protocol):
    """Whom an actor tells what it did without ending."""

    def explained_exit(self, name: str, reason: BaseException) -> None: ...
    def resumed(self, name: str, reason: BaseException) -> None: ...


class ActorChild(Resident):
    """See the module. `supervisor` is set by whoever puts it below one."""

    supervisor: Reports

    def __init__(self, spec: ActorSpec, path: str, machinery: Machinery) -> None:
        super().__init__(machinery)
        self.name = spec.name
        self.path = path
        self._spec = spec
        self._on_exit: OnExit | None = None
        self._cell = self._new_cell()

    @property
    def ref(self) -> Ref:
        return self._cell.ref

    @property
    def cell(self) -> Cell:
        return self._cell

    async def start(self, on_exit: OnExit) -> None:
        """Return when `on_start` has; raises what it raised."""
        if self._cell.stopped:
            if self._cell.runner is None:
                self._cell.revive()
            else:  # a handler that ignores its cancellation is still in there
                self._cell = self._new_cell()
                self._cell.revive()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def report(error: BaseException | None) -> None:
            if started.done():
                return
            if error is None:
                self._on_exit = on_exit  # at once: the first message may be the end
                started.set_result(None)
            else:
                started.set_exception(error)

        self._cell.start(report)
        try:
            await started
        except BaseException:
            self._on_exit = None
            await self._cell.rest(0.0)
            raise

    async def stop(self, shutdown_seconds: float) -> None:
        """Raises ChildStuckError where a handler ignores its cancellation."""
        self._on_exit = None
        await self._cell.rest(shutdown_seconds)
        if self._cell.stopped and self._cell.runner is not None:
            raise ChildStuckError(self.path)

    def retire(self) -> None:
        self._cell.stop_failed()

    def node(self) -> TreeNode:
        return self._cell.node()

    def _new_cell(self) -> Cell:
        spec, environment = self._spec, self._environment
        cell = Cell(
            self.path,
            spec.actor,
            service=self.path.partition("/")[2],
            tenant=None,
            key=None,
            owner=self,
            run_queue=environment.run_queue,
            clock=environment.clock,
            supervision=spec.supervision,
            mailbox=spec.mailbox,
        )
        cell.stop_failed()  # until it is started, nobody can send it anything
        return cell

    # What its place asks of its owner

    async def restore(self, cell: Cell, instance: Actor) -> None:
        """Nothing to do: specs of classes with durable state are refused."""

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        self._ended(cell, None if isinstance(reason, QuitError) else reason)

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        if cell is self._cell:
            self.supervisor.explained_exit(self.name, reason)

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        if cell is self._cell:
            self.supervisor.resumed(self.name, reason)

    def cell_stopped(self, cell: Cell) -> None:
        self._ended(cell, None)

    def quits(self, cell: Cell) -> BaseException | None:
        if self._spec.supervision.restart is Restart.PERMANENT:
            return QuitError(f"{cell.path} stopped itself; a permanent child is started again")
        return None

    def _ended(self, cell: Cell, reason: BaseException | None) -> None:
        """Tell the supervisor, unless it ended this life itself or waits for its start."""
        on_exit, self._on_exit = self._on_exit, None
        if cell is self._cell and on_exit is not None:
            on_exit(reason)
