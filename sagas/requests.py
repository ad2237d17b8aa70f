"""What requests about sagas may carry, decoded strictly."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from runtime.http.requests import BY_HTTP, Name, Person
from runtime.operations import MAX_PAGE
from sagas.container import Container
from sagas.machine import (
    Cancelled,
    Event,
    Repaired,
    Resumed,
    Retried,
    Signalled,
    Skipped,
    Status,
    Suspended,
)

MAX_WAIT_SECONDS = 25.0


class SagaQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sagas to list."""

    saga: Name | None = None
    tenant: Name | None = None
    status: Status | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50
    before: Name | None = None


class OneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose saga it is, where several tenants have one of that id; how long to wait for its end."""

    tenant: Name | None = None
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_SECONDS)] = 0.0


class VersionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version, by default the current one."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class StartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A saga to start. With an `id` of the caller's own, sending it twice is harmless, and another start is refused."""

    saga: str
    tenant: str
    input: Any = None
    id: str | None = None
    version: int | None = None
    by: Person = BY_HTTP


class AskBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who asks; `tenant` where several tenants have a saga of that id."""

    tenant: str | None = None
    by: Person = BY_HTTP

    def event(self) -> Event:
        """What is to happen to the saga."""
        raise NotImplementedError


class SignalBody(AskBody, frozen=True, kw_only=True):
    signal: str
    payload: Any = None

    def event(self) -> Event:
        return Signalled(self.signal, self.payload, self.by)


class CancelBody(AskBody, frozen=True, kw_only=True):
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""

    def event(self) -> Event:
        return Cancelled(self.by, self.reason)


class SuspendBody(AskBody, frozen=True):
    def event(self) -> Event:
        return Suspended(self.by)


class ResumeBody(AskBody, frozen=True):
    def event(self) -> Event:
        return Resumed(self.by)


class RetryBody(AskBody, frozen=True, kw_only=True):
    """`place` is what is parked, such as `charge` or `charge:undo`; everything by default."""

    place: str | None = None

    def event(self) -> Event:
        return Retried(self.by, self.place)


class SkipBody(AskBody, frozen=True, kw_only=True):
    place: str
    output: Any = None

    def event(self) -> Event:
        return Skipped(self.by, self.place, self.output)


class RepairBody(AskBody, frozen=True, kw_only=True):
    """Names in the saga's data, and their new values."""

    data: dict[str, Any]

    def event(self) -> Event:
        return Repaired(self.by, self.data)


class ImportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A container to take in. Unless `apply` is set, what would change is told, and nothing changed.

    `edited` accepts a container whose checksum is not that of its content.
    """

    container: Container
    apply: bool = False
    edited: bool = False
    by: Person = BY_HTTP


class RevertBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    by: Person = BY_HTTP
