"""Whose event is at work: a context variable that travels with messages, tasks and threads, as any other does."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

import msgspec


class CurrentEvent(msgspec.Struct, frozen=True):
    """A durable event, and whose it is."""

    id: UUID
    service: str
    tenant: str
    key: str | None


class Facts(Protocol):
    """What holds them. For the runtime alone."""

    @property
    def id(self) -> UUID: ...
    @property
    def service(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def key(self) -> str | None: ...


EVENT: ContextVar[Facts | None] = ContextVar("postroom_event", default=None)


def current_event() -> CurrentEvent | None:
    """The durable event on whose account this code runs; None where there is none.

    That is the event being handled, or the one whose handler sent the message in memory that is, or started the task,
    directly or through others in between. Loggers and clients of other services can so name tenant and event without
    being told. To carry a trace of your own, set a context variable: it travels in the same way.
    """
    facts = EVENT.get()
    return None if facts is None else CurrentEvent(facts.id, facts.service, facts.tenant, facts.key)
