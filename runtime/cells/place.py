"""What is kept of an actor: who it is, what surrounds it, where it is in its life."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, cast

from actors.actor import Actor
from actors.context import Clock
from actors.errors import UnhandledMessageError
from actors.handler import method_for
from actors.mailbox import Bounded
from actors.message import Message
from actors.ref import Ref
from actors.spec import Supervision
from actors.supervisor_ref import SupervisorRef
from runtime.cells.asking import Adopted
from runtime.cells.children import Children
from runtime.cells.kind import CellKind
from runtime.cells.mailbox_limit import MailboxLimit
from runtime.cells.run_queue import Runner, RunQueue
from runtime.cells.state import CellState, Owner, Record
from runtime.cells.ties import Ties
from runtime.context import MemoryContext

DEFAULT_SUPERVISION = Supervision()
NEW, IDLE, READY, BUSY, FAILED, STOPPED = CellState


class CellPlace:
    """What is kept of an actor. `runtime.cells.life` gives it lives, `runtime.cells.cell` work."""

    __slots__ = (
        "_stopped",
        "adopted",
        "children",
        "control",
        "cut",
        "handled",
        "inbox",
        "instance",
        "kind",
        "limit",
        "mail",
        "methods",
        "name",
        "on_started",
        "queue",
        "record",
        "runner",
        "since",
        "state",
        "stopping",
        "ties",
        "waiting_since",
    )
    child: ClassVar[type[Any]]
    """The class of its children's places."""

    def __init__(
        self,
        path: str,
        actor: type[Actor],
        *,
        service: str,
        tenant: str | None,
        key: str | None,
        owner: Owner,
        run_queue: RunQueue,
        clock: Clock,
        supervision: Supervision = DEFAULT_SUPERVISION,
        mailbox: Bounded | None = None,
    ) -> None:
        above, slash, name = path.rpartition("/")
        kind = CellKind(
            above + slash,
            actor,
            service=service,
            tenant=tenant,
            key=key,
            owner=owner,
            run_queue=run_queue,
            clock=clock,
            supervision=supervision,
            mailbox=mailbox,
        )
        self.settle(kind, name)

    def settle(self, kind: CellKind, name: str) -> None:
        """Be one of a kind. All that `__init__` does but for the kind."""
        self.kind = kind
        self.name = name
        self.queue = kind.queue
        self.methods = kind.methods
        self.state = NEW
        self.handled = 0
        self.since = self.waiting_since = 0.0
        self.inbox: deque[Any] | None = None
        """The mailbox, where a message can be put without further ado; None where `accept` has to see to it."""
        self.mail: deque[Any] | None = None
        self.limit = None if kind.mailbox is None else MailboxLimit(kind.mailbox)
        self.control: deque[Any] | None = None
        self.instance: Actor | None = None
        self.children: Children | None = None
        self.ties: Ties | None = None
        self.record: Record | None = None
        self.runner: Runner | None = None
        self.adopted: Adopted | None = None
        self.cut: BaseException | None = None
        """Why what it does at this moment is being cancelled."""
        self.on_started: Callable[[BaseException | None], None] | None = None
        """Told how the start ends, which somebody waits for."""
        self._stopped: asyncio.Future[None] | None = None
        self.stopping = False

    @property
    def path(self) -> str:
        return self.kind.prefix + self.name

    @property
    def actor(self) -> type[Actor]:
        return self.kind.actor

    @property
    def service(self) -> str:
        return self.kind.service

    @property
    def tenant(self) -> str | None:
        return self.kind.tenant

    @property
    def key(self) -> str | None:
        return self.kind.key

    @property
    def clock(self) -> Clock:
        return self.kind.clock

    @property
    def owner(self) -> Owner:
        return self.kind.owner

    @property
    def supervision(self) -> Supervision:
        return self.kind.supervision

    @property
    def idle(self) -> bool:
        """Whether nothing waits for it and nothing runs."""
        return (self.state is IDLE or self.state is NEW) and not self.mail

    @property
    def load(self) -> int:
        """How many messages wait or are handled."""
        return len(self.mail or ()) + (self.state is BUSY)

    @property
    def ending(self) -> bool:
        """Whether this life is over, or about to be."""
        return self.stopping or (self.instance is None and self.state is BUSY)

    @property
    def stopped(self) -> bool:
        return self.state is STOPPED

    @property
    def last_restart_at(self) -> float | None:
        return self.record.last_restart_at if self.record else None

    @property
    def last_reason(self) -> str | None:
        return self.record.last_reason if self.record else None

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        return self.owner.lookup(service, tenant, key)

    def supervisor_at(self, path: str) -> SupervisorRef:
        return self.owner.supervisor_at(path)

    def new_context(self) -> MemoryContext:
        return MemoryContext(cast("Any", self))

    def bound_ties(self) -> Ties:
        if self.ties is None:
            self.ties = Ties(cast("Any", self))
        return self.ties

    def require_method(self, message: Message) -> None:
        """Raise UnhandledMessageError unless the actor takes it."""
        if type(message) not in self.methods and method_for(self.methods, type(message)) is None:
            name, kind = self.actor.__name__, type(message).__name__
            raise UnhandledMessageError(f"{self.path}: no handler of {name} takes {kind}")
