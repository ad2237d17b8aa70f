"""What is kept of an actor: who it is, what surrounds it, where it is in its life."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, cast

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
        "_failure",
        "_stopped",
        "actor",
        "adopted",
        "base",
        "children",
        "clock",
        "control",
        "cut",
        "direct",
        "handled",
        "inbox",
        "instance",
        "key",
        "limit",
        "mail",
        "methods",
        "on_started",
        "owner",
        "path",
        "queue",
        "record",
        "requests",
        "runner",
        "service",
        "since",
        "state",
        "stopping",
        "supervision",
        "tenant",
        "ties",
        "waiting_since",
    )

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
        self.settle(path, actor, service, tenant, key, owner, run_queue, clock, supervision, mailbox)

    def settle(
        self,
        path: str,
        actor: type[Actor],
        service: str,
        tenant: str | None,
        key: str | None,
        owner: Owner,
        run_queue: RunQueue,
        clock: Clock,
        supervision: Supervision,
        mailbox: Bounded | None,
    ) -> None:
        """What `__init__` does; apart, as calling a class with so many arguments takes as long as all of this."""
        self.path = path
        self.actor = actor
        self.service = service
        self.tenant = tenant
        self.key = key
        self.clock = clock
        self.owner = owner
        self.queue = run_queue
        self.supervision = supervision
        self.base = run_queue.base
        self.methods = actor._actor_methods
        self.requests = actor._actor_requests
        self.state = NEW
        self.handled = 0
        self.since = 0.0
        self.waiting_since = 0.0
        self.inbox: deque[Any] | None = None
        """The mailbox, where a message can be put without further ado; None where `accept` has to see to it."""
        self.mail: deque[Any] | None = None
        self.limit = MailboxLimit(mailbox) if mailbox is not None else None
        self.direct = mailbox is None and supervision.hang_seconds == math.inf and run_queue.development is None
        """Whether messages can be put into the mailbox and handled without further ado."""
        self.control: deque[Any] | None = None
        self.instance: Actor | None = None
        self.children: Children | None = None
        self.ties: Ties | None = None
        self.record: Record | None = None
        self.runner: Runner | None = None
        self.adopted: Adopted | None = None
        self.cut: BaseException | None = None
        """Why what it does at this moment is being cancelled."""
        self._failure: BaseException | None = None
        self.on_started: Callable[[BaseException | None], None] | None = None
        """Told how the start ends, which somebody waits for."""
        self._stopped: asyncio.Future[None] | None = None
        self.stopping = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

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
        if method_for(self.methods, type(message)) is None:
            name, kind = self.actor.__name__, type(message).__name__
            raise UnhandledMessageError(f"{self.path}: no handler of {name} takes {kind}")
