"""What a supervisor tells of its children."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actors.spec import Supervision


class Exit(msgspec.Struct, frozen=True):
    """One end of a life, or one start that failed. `at` is seconds since the epoch (UTC)."""

    at: float
    reason: str
    explained: bool = False
    """A durable event's failure accounts for it, or the child asked for it: it was not charged to the intensity."""


class ChildInfo(msgspec.Struct, frozen=True):
    """One line of `which_children`.

    `state` is starting, running or stopping; of a child that is down, `waiting` for its restart, `terminated` by
    request, or `ended`.
    """

    name: str
    state: str
    supervision: Supervision
    restarts: int
    exits: Sequence[Exit]
    """The last 20 ends of its lives, oldest first."""


class ChildCounts(msgspec.Struct, frozen=True):
    """As OTP's count_children: `specs` is all children, `active` those that run.

    Of a dynamic supervisor `specs` is 1, as all its children have one.
    """

    specs: int
    active: int
    supervisors: int
    workers: int
