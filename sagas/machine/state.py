"""Where one running saga stands: all of it, as it is stored."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from sagas.definition import Node
from sagas.machine.commands import Outcome
from sagas.machine.events import Event
from sagas.plan import Rounds

MAX_HISTORY = 1_000
MAX_SIGNALS = 100

Phase = Literal["forward", "draining", "undoing", "ended"]
"""`draining`: something failed, and what still runs is waited for before the undoing begins."""
Status = Literal[
    "running", "waiting", "suspended", "parked", "compensating", "completed", "compensated", "cancelled"
]  # fmt: skip
ActivityState = Literal["sent", "waiting", "pausing", "parked"]
RESTING: frozenset[ActivityState] = frozenset({"waiting", "pausing"})
"""Nothing happens to an activity in one of these before something else does."""


class Activity(msgspec.Struct, omit_defaults=True):
    """A node at work: sent to a service, waiting for a signal or a time, pausing before it is sent again, or parked."""

    node: int
    rounds: Rounds
    state: ActivityState
    attempt: int = 1
    base: int = 0
    """How many sends there were before a person had it sent again."""
    timer: int = 0
    """The timer that counts for it; others that come are too late."""
    due_at: float | None = None
    undo: bool = False
    unsure: bool = False
    """A send was not answered in time, so that it may have been done."""
    error: str | None = None
    letters: tuple[UUID, ...] = ()
    """The dead letters of its sends that failed."""


class Frame(msgspec.Struct, omit_defaults=True):
    """A sequence, parallel or loop in progress: what is next and how much is running."""

    next: int = 0
    running: int = 0
    items: list[Any] = []
    values: dict[int, Any] = {}


class Undoable(msgspec.Struct, omit_defaults=True):
    """A node that was done, or may have been, and will be undone if the saga fails."""

    node: int
    rounds: Rounds
    attempt: int = 1
    unsure: bool = False


class CallRecord(msgspec.Struct, omit_defaults=True):
    """Something that the code of a saga asked for, and what came of it at a time."""

    node: Node
    state: Literal["open", "done", "failed"] = "open"
    output: Any = None
    error: str | None = None
    at: float = 0.0


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a saga's history."""

    at: float
    what: str
    place: str = ""
    detail: str = ""


class Instance(msgspec.Struct, omit_defaults=True):
    """See the module. `data` is what expressions see, `scopes` what the rounds of loops add to it."""

    id: str
    saga: str
    version: int
    tenant: str
    started_at: float
    started_by: str
    data: dict[str, Any]
    parent: str | None = None
    """The saga around this one."""
    parent_place: str = ""
    parent_attempt: int = 1
    phase: Phase = "forward"
    outcome: Outcome | None = None
    cause: str | None = None
    result: Any = None
    pivoted: bool = False
    suspended: bool = False
    timers: int = 0
    scopes: dict[str, dict[str, Any]] = {}
    frames: dict[str, Frame] = {}
    activities: dict[str, Activity] = {}
    undoables: list[Undoable] = []
    signals: dict[str, list[Any]] = {}
    calls: list[CallRecord] = []
    """The journal of a saga that is written as code."""
    held: list[Event] = []
    """What happened while it was suspended."""
    history: list[Entry] = []
    first_input: Any | UnsetType = UNSET
    """What it was started with, where a person has repaired its input."""
    forgotten: int = 0
    """How many lines the history had before the oldest in it."""
    changed_at: float = 0.0

    @property
    def status(self) -> Status:
        """What people are told."""
        if self.phase == "ended" and self.outcome is not None:
            return self.outcome
        if self.suspended:
            return "suspended"
        states = {activity.state for activity in self.activities.values()}
        if "parked" in states:
            return "parked"
        if self.phase != "forward":
            return "compensating"
        return "waiting" if states <= RESTING else "running"

    @property
    def started_with(self) -> Any:
        """The input of its start."""
        return self.data["input"] if self.first_input is UNSET else self.first_input

    @property
    def ended(self) -> bool:
        return self.phase == "ended"

    def note(self, at: float, what: str, place: str = "", detail: str = "") -> None:
        """Add a line to the history, which keeps the newest MAX_HISTORY."""
        self.changed_at = at
        self.history.append(Entry(at, what, place, detail))
        if len(self.history) > MAX_HISTORY:
            del self.history[0]
            self.forgotten += 1
