"""What the machine wants to be done. All of it is carried out in the commit that records the machine's state."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from sagas.machine.events import Cancelled, Done, Failed, Undone

Outcome = Literal["completed", "compensated", "cancelled"]


class Send(msgspec.Struct, frozen=True):
    """Give a service a message and tell what came of it as `Done` or `Failed`.

    `idempotency_key` is the same for every send of one step of one saga. `key` is None where the definition names none.
    """

    place: str
    attempt: int
    service: str
    message: str
    payload: dict[str, Any]
    key: str | None
    idempotency_key: str


class StartChild(msgspec.Struct, frozen=True):
    """Start a saga inside this one under the id `child`."""

    place: str
    attempt: int
    saga: str
    input: Any
    child: str


class Tell(msgspec.Struct, frozen=True):
    """Tell another saga, the one around this one or one inside it, what has happened."""

    instance: str
    event: Done | Failed | Cancelled | Undone


class Wake(msgspec.Struct, frozen=True):
    """Tell `Due` at a time, in seconds since the epoch (UTC)."""

    place: str
    timer: int
    due_at: float


class Discard(msgspec.Struct, frozen=True):
    """Give up the dead letters of sends of a step that has been done since."""

    place: str
    letters: tuple[UUID, ...]


class Finish(msgspec.Struct, frozen=True):
    """The saga has ended; its state says how."""

    outcome: Outcome


Command = Send | StartChild | Tell | Wake | Discard | Finish
