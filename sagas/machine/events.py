"""What can happen to a running saga."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec


class Done(msgspec.Struct, frozen=True, tag=True):
    """A step, a compensation or a saga inside this one has ended well. A later send than the last is as good."""

    place: str
    output: Any = None
    pivoted: bool = False
    """A saga inside this one is past its pivot and cannot be undone."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A send of a step has failed for good. `permanent` failures are not sent again; `letter` is its dead letter."""

    place: str
    attempt: int
    error: str
    permanent: bool = False
    letter: UUID | None = None


class Due(msgspec.Struct, frozen=True, tag=True):
    """A time has come that the machine asked for."""

    place: str
    timer: int


class Signalled(msgspec.Struct, frozen=True, tag=True):
    """Someone sent a signal."""

    signal: str
    payload: Any = None
    by: str = ""


class Cancelled(msgspec.Struct, frozen=True, tag=True):
    """Stop and undo what was done; also sent to a saga inside another."""

    by: str
    reason: str = ""


class Suspended(msgspec.Struct, frozen=True, tag=True):
    """Start nothing more until it is resumed; what runs is let finish."""

    by: str


class Resumed(msgspec.Struct, frozen=True, tag=True):
    by: str


class Retried(msgspec.Struct, frozen=True, tag=True):
    """Send what is parked again: at one place, or everywhere."""

    by: str
    place: str | None = None


class Skipped(msgspec.Struct, frozen=True, tag=True):
    """Take a parked step for done, with an output given by hand."""

    by: str
    place: str
    output: Any = None


class Repaired(msgspec.Struct, frozen=True, tag=True):
    """Put other values into the saga's data."""

    by: str
    data: dict[str, Any]


class Undone(msgspec.Struct, frozen=True, tag=True):
    """The saga around this one is undone, so that this one must be, although it has ended. `place` is that one's."""

    place: str
    attempt: int
    parent: str


WorldEvent = Done | Failed | Due | Signalled
"""What nobody asks the saga itself for."""
Event = Done | Failed | Due | Signalled | Cancelled | Suspended | Resumed | Retried | Skipped | Repaired | Undone
