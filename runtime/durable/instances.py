"""The actors of one service: one per slot, or one per tenant and key, made when first needed."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import Literal

from actors.actor import Actor
from actors.spec import Directive, Restart
from runtime.cells.cell import Cell
from runtime.cells.environment import Environment, Resident
from runtime.cells.keyed_cell import KeyedCell
from runtime.cells.kind import CellKind
from runtime.cells.routing import Routing, consistent_slot, shortest
from runtime.cells.state import Command, ReloadError
from runtime.core.backoff import delay_seconds
from runtime.core.intensity import add_restart
from runtime.core.supervision_errors import EscalatedError, describe
from runtime.definition import ServiceDefinition
from runtime.durable.states import Identity, States
from runtime.durable.time_limit import limited
from runtime.errors import InvalidInputError
from runtime.tasks import new_task
from runtime.tree import TreeNode

LOGGER = logging.getLogger("postroom.service")

MAX_NODES = 100


class Instances(Resident):
    """Makes, restarts, passivates and stops the actors of a service.

    A crash that no event explains restarts the actor after a pause, within the service's intensity; past it,
    `on_exhausted` is called with the reason.
    """

    def __init__(
        self,
        definition: ServiceDefinition,
        path: str,
        environment: Environment,
        *,
        on_restart: Callable[[BaseException], None],
        on_exhausted: Callable[[BaseException], None],
        states: States | None = None,
    ) -> None:
        self._definition = definition
        self._states = states
        self._path = path
        super().__init__(environment)
        self._on_restart = on_restart
        self._on_exhausted = on_exhausted
        self._cells: dict[tuple[str | None, str | int | None], Cell] = {}
        self._restarts: deque[float] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._passivations: set[asyncio.Task[None]] = set()
        self._idle: dict[Cell, int] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._turns = itertools.cycle(range(definition.slots))

    def __len__(self) -> int:
        return len(self._cells)

    def for_slot(self, tenant: str, key: str | None, slot: int) -> Cell:
        """The actor that handles an event in a slot."""
        if self._definition.keyed:
            return self._keyed(tenant, key)
        return self._cells.get((None, slot)) or self._make(slot)

    def for_message(self, tenant: str | None, key: str | None) -> Cell:
        """The actor for a message in memory. Raises InvalidInputError."""
        if not self._definition.keyed:
            slot = self._pick(tenant, key)
            return self._cells.get((None, slot)) or self._make(slot)
        if tenant is None or key is None:
            raise InvalidInputError("key", f"{self._definition.name} has one actor per tenant and key; give both")
        return self._keyed(tenant, key)

    def _pick(self, tenant: str | None, key: str | None) -> int:
        match self._definition.routing:
            case Routing.LEAST_MAILBOX:
                cells = (self._cells.get((None, slot)) for slot in range(self._definition.slots))
                return shortest([cell.load if cell is not None else 0 for cell in cells])
            case Routing.CONSISTENT_HASH:
                if key is None:
                    raise InvalidInputError("key", f"{self._definition.name} chooses by tenant and key; give a key")
                return consistent_slot(tenant or "", key, self._definition.slots)
            case _:
                return next(self._turns)

    def at_rest(self, tenant: str, key: str) -> Cell | None:
        """The actor of a key, if it has nothing to do and could begin at once."""
        cell = self._cells.get((tenant, key))
        return cell if cell is not None and cell.idle and cell.instance is not None else None

    def newborn(self, tenant: str, key: str) -> Cell | None:
        """The actor of a new key, alive with its initial state; None where its life has to wait for something."""
        assert self._states is not None, "the service knows that its actors have states"
        cell = self._keyed(tenant, key)
        if not (cell.kind.bare and cell.start_at_once()):
            return None
        self._states.begin((tenant, key), cell.embody())
        return cell

    def rest(self, cell: Cell) -> None:
        """End an actor's life. Its successor begins when `on_stop` has ended; what comes meanwhile waits for it."""
        if cell.rest_at_once():
            self._let_go(cell)
            return
        cell.command(Command.REST)
        task = new_task(self._rest(cell))
        self._passivations.add(task)
        task.add_done_callback(self._passivations.discard)

    def reload(self, tenant: str, key: str) -> None:
        """What the actor of a key holds in memory is not what is stored: it begins anew."""
        cell = self._cells.get((tenant, key))
        if cell is not None:
            cell.command(ReloadError(f"{cell.path}: a commit failed, so its state is read again"))

    async def restore(self, cell: Cell, instance: Actor) -> None:
        assert self._states is not None, "the service knows that its actors have states"
        await self._states.restore(_identity(cell), instance)

    async def evict(self, concerns: Callable[[str, str], bool]) -> None:
        """Stop the idle actors of a keyed service whose tenant and key it concerns."""
        if self._definition.keyed:
            for (tenant, key), cell in list(self._cells.items()):
                if tenant is not None and isinstance(key, str) and concerns(tenant, key):
                    if self._states is not None:  # who comes to life again must not believe what is known here
                        self._states.forget((tenant, key))
                    self.rest(cell)
            await asyncio.gather(*self._passivations)

    async def stop(self, shutdown_seconds: float) -> None:
        """Stop every actor, all at the same time."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        cells = list(self._cells.values())
        self._cells.clear()
        await asyncio.gather(*(cell.stop(shutdown_seconds) for cell in cells), *self._passivations)

    def nodes(self) -> tuple[TreeNode, ...]:
        """Up to MAX_NODES actors, those that were restarted last first."""
        cells = heapq.nlargest(MAX_NODES, self._cells.values(), key=lambda cell: cell.last_restart_at or 0.0)
        return tuple(cell.node() for cell in cells)

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        supervision = self._definition.supervision
        directive = supervision.decider.decide(reason)
        if supervision.restart is Restart.TEMPORARY or directive is Directive.STOP:
            self._let_go(cell)
            return
        if directive is Directive.ESCALATE:
            self._on_exhausted(EscalatedError(self._path, cell.name, reason))
            return
        if add_restart(self._restarts, self._environment.clock.monotonic(), supervision.intensity):
            self._on_exhausted(reason)
            return
        self._on_restart(reason)
        pause = delay_seconds(supervision.backoff, len(self._restarts), self._environment.random)
        LOGGER.warning("%s crashed and restarts in %.3f s: %s", cell.path, pause, cell.last_reason)
        if pause <= 0:
            cell.start()
            return
        timer = asyncio.get_running_loop().call_later(pause, self._restart, cell)
        self._timers.add(timer)

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:  # noqa: ARG002 # the protocol's signature
        self._on_restart(reason)

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        LOGGER.warning("%s failed and goes on: %s", cell.path, describe(reason))

    def cell_stopped(self, cell: Cell) -> None:
        """None of these does: they rest."""

    def quits(self, cell: Cell) -> Literal[Command.REST]:
        self.rest(cell)
        return Command.REST

    def _restart(self, cell: Cell) -> None:
        now = asyncio.get_running_loop().time()
        self._timers = {timer for timer in self._timers if timer.when() > now and not timer.cancelled()}
        cell.start()

    def _keyed(self, tenant: str, key: str | None) -> Cell:
        identity = (tenant, key)
        cell = self._cells.pop(identity, None)
        if cell is None:
            assert key is not None, "the events of a keyed service have a key"
            if len(self._cells) >= self._definition.instances:
                self._passivate_one()
            return self._add(identity, KeyedCell(self._kind, tenant, key))
        self._cells[identity] = cell  # the order of the dict is the order of last use
        return cell

    def _make(self, slot: int) -> Cell:
        cell = Cell.__new__(Cell)
        cell.settle(self._kind, str(slot))
        return self._add((None, slot), cell)

    def _add(self, identity: tuple[str | None, str | int | None], cell: Cell) -> Cell:
        self._cells[identity] = cell
        self._expect_sweep()
        return cell

    @cached_property
    def _kind(self) -> CellKind:
        """What all of them have in common."""
        definition, environment = self._definition, self._environment
        kind = CellKind(
            f"{self._path}/",
            definition.actor,
            service=definition.name,
            tenant=None,
            key=None,
            owner=self,
            run_queue=environment.run_queue,
            clock=environment.clock,
            supervision=definition.supervision,
            mailbox=definition.mailbox,
        )
        if definition.timeout_seconds is not None:
            kind.methods = limited(definition.actor, definition.timeout_seconds)
        return kind

    def _sweep(self) -> None:
        """Passivate those that did nothing since the last time."""
        before, self._idle = self._idle, {}
        for cell in list(self._cells.values()):
            if not cell.idle:
                continue
            if before.get(cell) == cell.handled:
                self.rest(cell)
            else:
                self._idle[cell] = cell.handled
        self._sweep_timer = None
        self._expect_sweep()

    def _expect_sweep(self) -> None:
        seconds = self._definition.idle_seconds
        if seconds is not None and self._sweep_timer is None and self._cells:
            self._sweep_timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _passivate_one(self) -> None:
        longest_unused = next((cell for cell in self._cells.values() if cell.idle), None)
        if longest_unused is not None:
            self.rest(longest_unused)

    async def _rest(self, cell: Cell) -> None:
        await cell.rest(self._definition.supervision.shutdown_seconds)
        if cell.mail and not cell.stopping:
            cell.awaken()
        else:
            self._let_go(cell)

    def _let_go(self, cell: Cell) -> None:
        identity = (cell.tenant, cell.key) if self._definition.keyed else (None, int(cell.name))
        if self._cells.get(identity) is cell:
            del self._cells[identity]
            if self._states is not None:
                self._states.forget(_identity(cell))
        if not cell.stopping:
            cell.stop_failed()


def _identity(cell: Cell) -> Identity:
    assert cell.tenant is not None, "a keyed service's actor has a tenant"
    assert cell.key is not None, "and a key"
    return cell.tenant, cell.key
