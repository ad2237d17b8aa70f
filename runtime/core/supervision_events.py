"""What a supervisor's machine hears (events) and what it answers (instructions).

A life is one run of a child from start to end; its number tells a late report of an earlier life from a
report of the present one. Times are monotonic seconds.
"""

from __future__ import annotations

import math

import msgspec

from actors.spec import Supervision


class StartRequested(msgspec.Struct, frozen=True):
    """Start all children in order."""


class StopRequested(msgspec.Struct, frozen=True):
    """Stop all children in reverse order; after `deadline` none is waited for. Asking again can only shorten it."""

    deadline: float


class ChildStarted(msgspec.Struct, frozen=True):
    name: str
    life: int


class ChildStartFailed(msgspec.Struct, frozen=True):
    """`reason` is None where the start was cut short as instructed."""

    name: str
    life: int
    reason: BaseException | None


class ChildExited(msgspec.Struct, frozen=True):
    """The child ended by itself; `reason` is None for a normal exit.

    `explained`: a durable event's failure accounts for it, so it is not the supervisor's to count.
    """

    name: str
    life: int
    reason: BaseException | None
    explained: bool = False


class ChildRestartedItself(msgspec.Struct, frozen=True):
    """The child began afresh without ending, for a reason that a durable event's failure explains."""

    name: str
    reason: BaseException


class ChildResumed(msgspec.Struct, frozen=True):
    """The child failed and goes on with the state it has, as its decider says."""

    name: str
    reason: BaseException


class ChildStopped(msgspec.Struct, frozen=True):
    """The instruction to stop was carried out; `problem` is what went wrong on the way."""

    name: str
    problem: BaseException | None = None


class RestartDue(msgspec.Struct, frozen=True):
    """The delay of `ScheduleRestart(name)` is over."""

    name: str


class AddRequested(msgspec.Struct, frozen=True):
    name: str
    supervision: Supervision
    ticket: int


class TerminateRequested(msgspec.Struct, frozen=True):
    name: str
    ticket: int


class RestartRequested(msgspec.Struct, frozen=True):
    name: str
    ticket: int


class DeleteRequested(msgspec.Struct, frozen=True):
    name: str


Event = (
    StartRequested
    | StopRequested
    | ChildStarted
    | ChildStartFailed
    | ChildExited
    | ChildRestartedItself
    | ChildResumed
    | ChildStopped
    | RestartDue
    | AddRequested
    | TerminateRequested
    | RestartRequested
    | DeleteRequested
)


class StartChild(msgspec.Struct, frozen=True):
    """Answer with `ChildStarted` or `ChildStartFailed`; until then no other child is started or stopped.

    A start that takes longer than `limit_seconds` has failed with `StartTimeoutError`.
    """

    name: str
    life: int
    limit_seconds: float = math.inf


class StopChild(msgspec.Struct, frozen=True):
    """Answer with `ChildStopped`; until then no other child is started or stopped."""

    name: str
    shutdown_seconds: float


class CutShort(msgspec.Struct, frozen=True):
    """The outstanding `StartChild` or `StopChild` has `seconds` left; it is answered all the same."""

    name: str
    seconds: float


class ScheduleRestart(msgspec.Struct, frozen=True):
    """Send `RestartDue(name)` after the delay. Replaces an earlier one of the same name."""

    name: str
    delay_seconds: float


class CancelRestart(msgspec.Struct, frozen=True):
    name: str


class Answer(msgspec.Struct, frozen=True):
    """The request with this ticket was met, or could not be."""

    ticket: int
    error: BaseException | None


class Forget(msgspec.Struct, frozen=True):
    """The child has left the list and does not come back."""

    name: str


class Started(msgspec.Struct, frozen=True):
    """Every child has started."""


class StartFailed(msgspec.Struct, frozen=True):
    """The end: a child could not start, and those started before it have been stopped."""

    reason: BaseException


class Escalate(msgspec.Struct, frozen=True):
    """The end: too many restarts, or a failure that is sent up; all children have been stopped."""

    reason: BaseException


class ShutDown(msgspec.Struct, frozen=True):
    """The end: the significant children have ended of themselves; all others have been stopped."""

    reason: BaseException


class Stopped(msgspec.Struct, frozen=True):
    """The end, as requested; all children have been stopped."""


Instruction = (
    StartChild
    | StopChild
    | CutShort
    | ScheduleRestart
    | CancelRestart
    | Answer
    | Forget
    | Started
    | StartFailed
    | Escalate
    | ShutDown
    | Stopped
)
