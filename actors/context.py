"""What a handler knows of the event it handles, and what it may ask of the runtime."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from actors.database import Database
from actors.job import Finalizer, JobEnded
from actors.mailbox import Bounded
from actors.message import Message
from actors.ref import M, Ref
from actors.spec import Supervision

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.supervisor_ref import SupervisorRef


T = TypeVar("T")


class Clock(Protocol):
    """Two readings of time, both in seconds."""

    def now(self) -> float:
        """Wall-clock time since the epoch (UTC), for records."""
        ...

    def monotonic(self) -> float:
        """Time that never goes back, for durations."""
        ...


class Timer(Protocol):
    """What `Context.schedule` has set."""

    def cancel(self) -> None:
        """Safe twice, and when it has fired."""
        ...


class Context(Protocol):
    """The handler's side of the runtime. It belongs to one message and must not be kept after the handler ended."""

    @property
    def service(self) -> str: ...

    @property
    def tenant(self) -> str | None:
        """Whose event it is; None for a message in memory to an actor that serves no single tenant."""
        ...

    @property
    def key(self) -> str | None: ...

    @property
    def event_id(self) -> UUID | None:
        """The durable event being handled; None for a message in memory."""
        ...

    @property
    def idempotency_key(self) -> str | None:
        """What to give to others so that they do one thing once. None for a message in memory.

        It is the same for every attempt at an event, and for all events that were sent with one of their own, replays
        included; where the sender chose none, it is the event's id.
        """
        ...

    @property
    def attempt(self) -> int:
        """1 for the first attempt at an event."""
        ...

    @property
    def clock(self) -> Clock: ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry service, tenant, key and event, also that of `current_event`."""
        ...

    @property
    def db(self) -> Database:
        """The transaction that also records this event's completion. Only while a durable event is handled."""
        ...

    @property
    def me(self) -> Ref[Any]: ...

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
        """Enqueue an event together with the completion of this one, and return its id.

        It is stored if and only if the handler succeeds. The tenant is this event's unless given. Its handler finds
        `idempotency_key`, of at most 500 characters, in its context.

        Raises:
            UnknownServiceError, InvalidInputError: as for `App.enqueue`; with the field `depth` where the chain of
                handlers that emit one another's events would grow over `Settings.max_depth`.
        """
        ...

    async def reenqueue(self, ended: JobEnded, *, delay_seconds: float = 0.0) -> UUID:
        """In a finalizer: enqueue the job again as a new one, which names it as its origin, and return the new id.

        As with `emit`, it is stored if and only if the handler succeeds. The new job has the same finalizers.

        Raises:
            InvalidInputError: with the field `reenqueued` where the job failed so many times in a row
                (`Settings.max_reenqueues`, 5; a success sets the count back), else as for `emit`.
            NotFoundError: the log no longer has the job.
        """
        ...

    def callouts(
        self, calls: Sequence[Awaitable[T]], *, timeout_seconds: float | None = None
    ) -> Coroutine[Any, Any, list[T | Exception]]:
        """Wait for calls to others all at once, without holding a slot; what each came to, in their order.

        A call is anything that can be awaited, such as a coroutine that asks another server; what it raises stands in
        its place. Each may take `timeout_seconds` (`Settings.callout_seconds`, 120), or `CalloutTimeoutError` does.
        While the handler waits, others of its service use its slot; its own key stays in order, and its tenant is not
        charged. It goes on when it has a slot again, first in its tenant's line, under the tenant's caps and holds. The
        time limits of the service count all of the time. After a crash the event is handled again from its beginning.

        Raises:
            CalloutsError: more than `Settings.max_callouts` (3), or more than `Settings.max_callout_rounds` (3) times
                in one attempt; `self.db` was used before, whose transaction would stay open; the service's
                `chunk_size` is above 1. No call was made.
            ActorError: no durable event is handled.
        """
        ...

    def ref(self, service: str, *, tenant: str | None = None, key: str | None = None) -> Ref[Any]:
        """The reference of a service's actor, for messages in memory. A keyed service needs tenant and key.

        Of an actor in a tree where `service` is its path, such as `pipeline/parser`; of the present one or of the next
        under that name, as the reference looks for it with every message.

        Raises:
            UnknownServiceError, NotFoundError: there is none.
        """
        ...

    def supervisor(self, path: str) -> SupervisorRef:
        """A supervisor of a tree, such as `pipeline` or `pipeline/sessions`. Raises NotFoundError."""
        ...

    async def spawn(
        self,
        actor: type[Actor[M]],
        name: str,
        *,
        supervision: Supervision | None = None,
        mailbox: Bounded | None = None,
    ) -> Ref[M]:
        """Start a child of this actor. It is stopped with its parent, or when its parent is restarted.

        Raises:
            SpecError: a living child has that name.
        """
        ...

    def stop(self) -> None:
        """Stop this actor when the message at hand has been handled: a normal exit.

        A child whose restart type is permanent, the default, is started again, as OTP has it; spawn it as transient or
        temporary to let it end. A service's actor is made anew by the next message for it.
        """
        ...

    def restart(self) -> None:
        """Restart this actor when the message at hand has been handled. Not charged to the intensity."""
        ...

    def watch(self, ref: Ref[Any]) -> None:
        """Have this actor be told `Terminated`, once, when another has stopped for good; at once if it has already.

        Raises:
            UnhandledMessageError: this actor has no handler of `Terminated`.
        """
        ...

    def unwatch(self, ref: Ref[Any]) -> None: ...

    def link(self, ref: Ref[Any]) -> None:
        """When one of the two crashes, so does the other, with `LinkedActorError`. Holds until one of them ends."""
        ...

    def schedule(
        self, message: Message, *, after_seconds: float | None = None, every_seconds: float | None = None
    ) -> Timer:
        """Tell this actor `message` later, or again and again: first `after_seconds` from now, else `every_seconds`.

        Ends with this life of the actor.

        Raises:
            SpecError: neither is given, or a time is not above 0 (`after_seconds` may be 0).
            UnhandledMessageError: no handler takes it.
        """
        ...

    def receive_timeout(self, seconds: float | None) -> None:
        """Have this actor be told `ReceiveTimeout` whenever it handled nothing for `seconds`; None ends it.

        Raises:
            SpecError: `seconds` is not above 0.
            UnhandledMessageError: this actor has no handler of `ReceiveTimeout`.
        """
        ...

    def stash(self, message: Message) -> None:
        """Put the message at hand aside, until `unstash`. It comes back by itself after a restart.

        Raises:
            ActorError: it is a `Request`, which is answered when its handler returns, or too many are there already.
        """
        ...

    def unstash(self) -> None:
        """Handle what was put aside next, in the order it came."""
        ...

    def start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside the handlers. It is cancelled when this life of the actor ends; its error crashes it."""
        ...


class Place(Protocol):
    """Where an actor lives. For the runtime alone."""

    def new_context(self) -> Context: ...
