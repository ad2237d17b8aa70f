"""What the owners of cells know of the runtime around them, and hand on to the actors."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from actors.actor import Actor
from actors.context import Clock
from actors.mailbox import Bounded
from actors.ref import Ref
from actors.spec import Supervision
from actors.supervisor_ref import SupervisorRef
from runtime.cells.dead_messages import DeadReason

if TYPE_CHECKING:
    from runtime.cells.cell import Cell
    from runtime.cells.run_queue import RunQueue


class Around(Protocol):
    """The actors and supervisors around an actor."""

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref: ...

    def supervisor_at(self, path: str) -> SupervisorRef: ...

    def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
        /,
    ) -> Coroutine[Any, Any, Ref]: ...


class Environment(Around, Protocol):
    """The runtime, as far as actors in memory need it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def random(self) -> random.Random: ...
    @property
    def run_queue(self) -> RunQueue: ...


class Resident:
    """The part of `runtime.cells.state.Owner` that is the same for all who have an environment."""

    __slots__ = ("_environment",)

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def dropped(self, cell: Cell, message: object, reason: DeadReason) -> None:
        self._environment.run_queue.dead.add(cell.path, message, reason)

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        return self._environment.lookup(service, tenant, key)

    def supervisor_at(self, path: str) -> SupervisorRef:
        return self._environment.supervisor_at(path)

    def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
    ) -> Coroutine[Any, Any, Ref]:
        return self._environment.spawn(parent, actor, name, supervision, mailbox)
