"""The contexts that actors see: one for messages in memory and hooks, one for durable events."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from actors.actor import Actor
from actors.context import Clock, Timer
from actors.current_event import current_event
from actors.database import Database
from actors.errors import ActorError
from actors.job import Finalizer, JobEnded
from actors.mailbox import Bounded
from actors.message import Message
from actors.ref import Ref
from actors.spec import Supervision
from actors.supervisor_ref import SupervisorRef
from runtime.cells.state import Command
from runtime.durable.headers import headers_of
from runtime.errors import NotFoundError
from runtime.store.records import Event

if TYPE_CHECKING:
    from runtime.cells.ties import Ties
    from runtime.store.records import Delayed

LOGGER = logging.getLogger("postroom.actors")
T = TypeVar("T")


class Surroundings(Protocol):
    """What an actor's context needs to know of the place the actor lives in."""

    @property
    def service(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...
    @property
    def instance(self) -> Actor | None: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ref(self) -> Ref: ...
    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref: ...
    def supervisor_at(self, path: str) -> SupervisorRef: ...
    def spawn(
        self, actor: type[Actor], name: str, supervision: Supervision | None, mailbox: Bounded | None = None
    ) -> Coroutine[Any, Any, Ref]: ...
    def command(self, command: Any) -> None: ...
    def bound_ties(self) -> Ties: ...


class MemoryContext:
    """The context of hooks and of messages in memory."""

    __slots__ = ("_surroundings",)

    event_id: UUID | None = None
    attempt: int = 1

    @property
    def idempotency_key(self) -> str | None:
        return None

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    @property
    def service(self) -> str:
        return self._surroundings.service

    @property
    def tenant(self) -> str | None:
        return self._surroundings.tenant

    @property
    def key(self) -> str | None:
        return self._surroundings.key

    @property
    def clock(self) -> Clock:
        return self._surroundings.clock

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        event = current_event()
        facts = {
            "service": self.service,
            "tenant": self.tenant or (event and event.tenant),
            "key": self.key,
            "event_id": self.event_id or (event and event.id),
        }
        return logging.LoggerAdapter(LOGGER, facts)

    @property
    def db(self) -> Database:
        raise ActorError("self.db is available only while a durable event is handled")

    @property
    def me(self) -> Ref:
        return self._surroundings.ref

    def emit(
        self,
        service: str,
        message: Message,  # noqa: ARG002 # the protocol's signature
        *,
        tenant: str | None = None,  # noqa: ARG002 # as above
        key: str | None = None,  # noqa: ARG002 # as above
        delay_seconds: float = 0.0,  # noqa: ARG002 # as above
        finalizer: Finalizer | None = None,  # noqa: ARG002 # as above
        idempotency_key: str | None = None,  # noqa: ARG002 # as above
    ) -> UUID:
        raise ActorError(f"emit({service!r}) is available only while a durable event is handled; use App.enqueue")

    async def reenqueue(self, ended: JobEnded, *, delay_seconds: float = 0.0) -> UUID:  # noqa: ARG002 # as above
        raise ActorError("reenqueue is available only while a durable event is handled; use App.enqueue")

    async def callouts(
        self,
        calls: Sequence[Awaitable[T]],
        *,
        timeout_seconds: float | None = None,  # noqa: ARG002 # as above
    ) -> list[T | Exception]:
        refuse(calls)
        raise ActorError("callouts are available only while a durable event is handled: nothing else holds a slot")

    def ref(self, service: str, *, tenant: str | None = None, key: str | None = None) -> Ref:
        return self._surroundings.lookup(service, tenant, key)

    def supervisor(self, path: str) -> SupervisorRef:
        return self._surroundings.supervisor_at(path)

    def spawn(
        self,
        actor: type[Actor[Any]],
        name: str,
        *,
        supervision: Supervision | None = None,
        mailbox: Bounded | None = None,
    ) -> Coroutine[Any, Any, Ref[Any]]:
        return self._surroundings.spawn(actor, name, supervision, mailbox)

    def stop(self) -> None:
        self._surroundings.command(Command.QUIT)

    def restart(self) -> None:
        self._surroundings.command(Command.RESTART)

    def watch(self, ref: Ref[Any]) -> None:
        self._surroundings.bound_ties().watch(ref)

    def unwatch(self, ref: Ref[Any]) -> None:
        self._surroundings.bound_ties().unwatch(ref)

    def link(self, ref: Ref[Any]) -> None:
        self._surroundings.bound_ties().link(ref)

    def schedule(
        self, message: Message, *, after_seconds: float | None = None, every_seconds: float | None = None
    ) -> Timer:
        return self._surroundings.bound_ties().schedule(message, after_seconds, every_seconds)

    def receive_timeout(self, seconds: float | None) -> None:
        self._surroundings.bound_ties().receive_timeout(seconds)

    def stash(self, message: Message) -> None:
        self._surroundings.bound_ties().stash(message)

    def unstash(self) -> None:
        self._surroundings.bound_ties().unstash()

    def start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._surroundings.bound_ties().start_task(coroutine)


def refuse(calls: Sequence[Awaitable[Any]]) -> None:
    """Close coroutines that will not be awaited."""
    for call in calls:
        if isinstance(call, Coroutine):
            call.close()


class Emitter(Protocol):
    """Makes an event of what a handler emits, or refuses it."""

    def emit(
        self,
        cause: Event,
        service: str,
        message: Message,
        tenant: str | None,
        key: str | None,
        delay_seconds: float,
        finalizer: Finalizer | None,
        idempotency_key: str | None = None,
    ) -> Event | Delayed: ...
    def reenqueue(self, cause: Event, job: Event, ended: JobEnded, delay_seconds: float) -> Event | Delayed: ...


class Transactional(Protocol):
    """Whose transaction an event's statements and emitted events belong to."""

    @property
    def database(self) -> Database: ...
    @property
    def emitter(self) -> Emitter: ...
    async def find_event(self, event_id: UUID) -> Event | None: ...
    async def call_out(self, calls: Sequence[Awaitable[Any]], seconds: float | None) -> list[Any]: ...


class EventContext(MemoryContext):
    """The context of one attempt at a durable event. It is closed when the handler ends."""

    __slots__ = ("_event", "_open", "_transaction", "attempt", "emitted", "event_id")

    def __init__(self, surroundings: Surroundings, event: Event, transaction: Transactional) -> None:
        self._surroundings = surroundings
        self._event = event
        self._transaction = transaction
        self._open = True
        self.event_id = event.id
        self.attempt = event.attempt
        self.emitted: list[Event | Delayed] = []

    @property
    def tenant(self) -> str:
        return self._event.tenant

    @property
    def key(self) -> str | None:
        return self._event.key

    @property
    def idempotency_key(self) -> str:
        return headers_of(self._event).idempotency_key or str(self.event_id)

    @property
    def db(self) -> Database:
        self._require_open("self.db")
        return self._transaction.database

    def emit(
        self,
        service: str,
        message: Message,
        *,
        tenant: str | None = None,
        key: str | None = None,
        delay_seconds: float = 0.0,
        finalizer: Finalizer | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        self._require_open("emit")
        emitter = self._transaction.emitter
        emitted = emitter.emit(self._event, service, message, tenant, key, delay_seconds, finalizer, idempotency_key)
        return self._add(emitted)

    async def reenqueue(self, ended: JobEnded, *, delay_seconds: float = 0.0) -> UUID:
        self._require_open("reenqueue")
        job = await self._transaction.find_event(ended.job)
        self._require_open("reenqueue")
        if job is None:
            raise NotFoundError(f"the log no longer has the job {ended.job}")
        return self._add(self._transaction.emitter.reenqueue(self._event, job, ended, delay_seconds))

    async def callouts(
        self, calls: Sequence[Awaitable[T]], *, timeout_seconds: float | None = None
    ) -> list[T | Exception]:
        self._require_open("callouts")
        return await self._transaction.call_out(calls, timeout_seconds)

    def _add(self, emitted: Event | Delayed) -> UUID:
        self.emitted.append(emitted)
        return emitted.id if isinstance(emitted, Event) else emitted.event.id

    def close(self) -> None:
        self._open = False

    def _require_open(self, what: str) -> None:
        if not self._open:
            raise ActorError(f"{what}: the handler of event {self._event.id} has ended")
