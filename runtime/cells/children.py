"""Children that actors spawn: looked after one for one, without a task or a record for each until one fails."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING

from actors.actor import Actor
from actors.errors import ActorStoppedError, SpecError
from actors.mailbox import Bounded
from actors.ref import Ref
from actors.spec import Directive, Intensity, Restart, Supervision
from runtime.cells.environment import Environment, Resident
from runtime.cells.kind import CellKind
from runtime.cells.refs import CellRef
from runtime.cells.state import QuitError
from runtime.core.backoff import delay_seconds
from runtime.core.intensity import add_restart
from runtime.core.supervision_errors import EscalatedError, RestartLimitError, describe
from runtime.tree import TreeNode

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

LOGGER = logging.getLogger("postroom.actors")

MAX_NODES = 100
TEMPORARY, STOP, ESCALATE = Restart.TEMPORARY, Directive.STOP, Directive.ESCALATE
"""Read through their class they cost more than all else that decides about a crash, in Python 3.11."""


async def spawn_child(
    environment: Environment,
    parent: Cell,
    actor: type[Actor],
    name: str,
    supervision: Supervision,
    mailbox: Bounded | None = None,
) -> Ref:
    """Start a child of an actor and return its reference. Raises SpecError where the name is taken."""
    if (parent.stopping or parent.instance is None) and parent.ending:
        raise ActorStoppedError(f"{parent.path} is ending and cannot have children any more")
    children = parent.children
    if children is None:
        children = parent.children = Children(environment, parent)
    cell = children.add(actor, name, supervision, mailbox)
    try:
        if not cell.start_at_once():
            await _started(cell)
    except BaseException:
        children.forget(cell)
        await cell.stop(supervision.stop_seconds)
        raise
    return CellRef(cell)


async def _started(cell: Cell) -> None:
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def report(error: BaseException | None) -> None:
        if started.done():
            return
        if error is None:
            started.set_result(None)
        else:
            started.set_exception(error)

    cell.start(report)
    await started


class Children(Resident):
    """The children of one actor, in start order. Those with the same intensity count as one supervisor's."""

    __slots__ = ("_cells", "_kinds", "_parent", "_restarts", "_timers")

    def __init__(self, environment: Environment, parent: Cell) -> None:
        super().__init__(environment)
        self._parent = parent
        self._cells: dict[str, Cell] = {}
        self._kinds: dict[type[Actor], CellKind] = {}
        """Of those spawned last, by class."""
        self._restarts: dict[Intensity, deque[float]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, actor: type[Actor], name: str, supervision: Supervision, mailbox: Bounded | None) -> Cell:
        """Make a child that has not begun to live. Raises SpecError."""
        parent = self._parent
        if name in self._cells:
            raise SpecError("name", f"{parent.path} has a child {name!r} already")
        if not name or "/" in name:
            raise SpecError("name", f"{name!r} must be one part of a path: not empty, and without a slash")
        try:
            kind = self._kinds.get(actor)
        except TypeError:  # not even hashable; refused below
            kind = None
        if kind is None or kind.supervision is not supervision or kind.mailbox is not mailbox:
            kind = self._kinds[actor] = self._new_kind(actor, name, supervision, mailbox)
        cell: Cell = object.__new__(parent.child)
        self._cells[name] = cell
        cell.settle(kind, name)
        return cell

    def _new_kind(self, actor: type[Actor], name: str, supervision: Supervision, mailbox: Bounded | None) -> CellKind:
        """Raises SpecError."""
        parent = self._parent
        given: object = actor
        if not (isinstance(given, type) and issubclass(given, Actor)):
            raise SpecError("actor", f"{parent.path}/{name}: {actor!r} is no class derived from Actor")
        if actor._actor_state is not None:
            raise SpecError("actor", f"{actor.__name__} has a durable state, which only actors of keyed services have")
        return CellKind(
            f"{parent.path}/",
            actor,
            service=parent.service,
            tenant=parent.tenant,
            key=parent.key,
            owner=self,
            run_queue=self._environment.run_queue,
            clock=self._environment.clock,
            supervision=supervision,
            mailbox=mailbox,
        )

    def forget(self, cell: Cell) -> None:
        if self._cells.get(cell.name) is cell:
            del self._cells[cell.name]

    async def stop(self) -> None:
        """Stop them in reverse start order, each within its own shutdown time."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._cells:
            _, cell = self._cells.popitem()
            await cell.stop(cell.supervision.stop_seconds)

    def nodes(self) -> tuple[TreeNode, ...]:
        return tuple(cell.node() for cell in itertools.islice(self._cells.values(), MAX_NODES))

    async def restore(self, cell: Cell, instance: Actor) -> None:
        """Nothing to do: `add` refuses classes with durable state."""

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        if cell.on_started is not None:
            return  # who spawns it is told
        supervision = cell.supervision
        directive = supervision.decider.decide(reason)
        if supervision.restart is TEMPORARY or directive is STOP:
            self._let_go(cell)
            return
        if directive is ESCALATE:
            self._parent.child_gave_up(EscalatedError(self._parent.path, cell.name, reason))
            return
        clock, random = self._environment.clock, self._environment.random
        intensity = supervision.intensity
        restarts = self._restarts.get(intensity)
        if restarts is None:
            restarts = self._restarts[intensity] = deque()
        if add_restart(restarts, clock.monotonic(), intensity):
            self._parent.child_gave_up(RestartLimitError(self._parent.path, cell.name, intensity, reason))
            return
        pause = delay_seconds(supervision.backoff, len(restarts), random)
        if LOGGER.isEnabledFor(logging.WARNING):
            LOGGER.warning("%s crashed and restarts in %.3f s: %s", cell.path, pause, cell.last_reason)
        if pause <= 0:
            cell.start()
        else:
            self._timers[cell.name] = asyncio.get_running_loop().call_later(pause, self._restart, cell)

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        """Nothing to do: only events explain a restart, and a spawned actor gets none."""

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        LOGGER.warning("%s failed and goes on: %s", cell.path, describe(reason))

    def cell_stopped(self, cell: Cell) -> None:
        self.forget(cell)

    def quits(self, cell: Cell) -> BaseException | None:
        if cell.supervision.restart is Restart.PERMANENT and self._cells.get(cell.name) is cell:
            return QuitError(f"{cell.path} stopped itself; a permanent child is started again")
        return None

    def _restart(self, cell: Cell) -> None:
        del self._timers[cell.name]
        cell.start()

    def _let_go(self, cell: Cell) -> None:
        self.forget(cell)
        cell.stop_failed()
