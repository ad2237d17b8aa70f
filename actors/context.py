"""What a handler knows of the event it handles, and what it may ask of the runtime."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from actors.database import Database
from actors.message import Message
from actors.ref import Ref
from actors.spec import Supervision

if TYPE_CHECKING:
    from actors.actor import Actor


class Clock(Protocol):
    """Two readings of time, both in seconds."""

    def now(self) -> float:
        """Wall-clock time since the epoch (UTC), for records."""
        ...

    def monotonic(self) -> float:
        """Time that never goes back, for durations."""
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
    def attempt(self) -> int:
        """1 for the first attempt at an event."""
        ...

    @property
    def clock(self) -> Clock: ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry service, tenant, key and event."""
        ...

    @property
    def db(self) -> Database:
        """The transaction that also records this event's completion. Only while a durable event is handled."""
        ...

    @property
    def me(self) -> Ref: ...

    def emit(
        self,
        service: str,
        message: Message,
        *,
        tenant: str | None = None,
        key: str | None = None,
        delay_seconds: float = 0.0,
    ) -> UUID:
        """Enqueue an event together with the completion of this one, and return its id.

        It is stored if and only if the handler succeeds. The tenant is this event's unless given.

        Raises:
            UnknownServiceError, InvalidInputError: as for `App.enqueue`.
        """
        ...

    def ref(self, service: str, *, tenant: str | None = None, key: str | None = None) -> Ref:
        """The reference of a service's actor, for messages in memory. A keyed service needs tenant and key."""
        ...

    async def spawn(self, actor: type[Actor], name: str, *, supervision: Supervision | None = None) -> Ref:
        """Start a child of this actor. It is stopped with its parent.

        Raises:
            SpecError: a living child has that name.
        """
        ...


class Place(Protocol):
    """Where an actor lives. For the runtime alone."""

    def new_context(self) -> Context: ...
