"""What the store keeps: events, their places in the log, their outcomes. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Literal
from uuid import UUID

import msgspec

from runtime.core.schedule_standing import Standing
from runtime.store.audit import AuditEntry


class OutcomeKind(enum.IntEnum):
    """How one attempt at an event ended."""

    DONE = 1
    RETRY = 2
    """Failed; another attempt waits in the delayed table."""
    DEAD = 3
    """Failed for good; the event is a dead letter."""
    ABORTED = 4
    """Given up by a person or a program before it was done."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """A message made durable. `type` is the message's name, empty for a dynamic one; `payload` is JSON."""

    id: UUID
    service: str
    tenant: str
    key: str | None
    type: str
    payload: bytes
    accepted_at: float
    """When the first attempt was accepted."""
    enqueued_by: str
    attempt: int = 1
    cause: UUID | None = None
    """The event whose handler emitted this one."""
    origin: UUID | None = None
    """The event of which this one is a replay."""
    depth: int = 0
    """How many handlers emitted one another before this one: 0 for what came from outside."""
    headers: bytes | None = None
    """What few events carry beside their message: see `runtime.durable.headers`."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One attempt's place in the log. `seq` grows in commit order; `queue` stands for (service, tenant)."""

    seq: int
    queue: int
    event: Event


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The record that ends one entry. `error` is `Type: message` of what the handler raised."""

    seq: int
    kind: OutcomeKind
    started_at: float
    finished_at: float
    error: str | None = None


class Delayed(msgspec.Struct, frozen=True, gc=False):
    """An event that joins the end of the log at `due_at`."""

    event: Event
    due_at: float


class Cause(msgspec.Struct, frozen=True):
    """Why an event died: the exception's type, its message, and its stack without values of variables."""

    type: str
    message: str
    stack: str


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that failed for good, with a copy of all that is needed to run it again."""

    event: Event
    cause: Cause
    died_at: float


class StoredState(msgspec.Struct, frozen=True, gc=False):
    """The durable state of one actor of a keyed service: JSON, and the version of the code that wrote it."""

    service: str
    tenant: str
    key: str
    version: int
    payload: bytes
    saved_at: float
    label: str | None = None
    """What lists of states can be filtered by, where the actor names it."""
    ended: bool = False
    """Whether it may be dropped with the history of its time."""


class StateFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which labelled states of a service to list: the highest keys first, at most `limit`, below the key `before`."""

    service: str
    labels: tuple[str, ...]
    tenant: str | None = None
    limit: int = 50
    before: str | None = None


class Result(msgspec.Struct, frozen=True, gc=False):
    """What the handler of a job returned, as JSON."""

    id: UUID
    value: bytes


class Claim(msgspec.Struct, gc=False):
    """An event's claim of a signature, made at `at`. Settled by the commit: `holder` is the event that has it then."""

    scope: str
    signature: str
    id: UUID
    at: float
    expires_at: float
    holder: UUID | None = None

    @property
    def duplicate(self) -> bool:
        """Whether another event held the signature, so that this one was not stored."""
        return self.holder is not None and self.holder != self.id


class Claiming(msgspec.Struct, frozen=True, gc=False):
    """An event that is stored if and only if nobody else holds its signature."""

    record: Event | Delayed
    claim: Claim


class ReplayStep(msgspec.Struct, frozen=True, gc=False):
    """How far a replay has got: its `position` was one id and is another, `count` events and `refused` ones later."""

    id: UUID
    was: UUID
    reached: UUID
    count: int
    finished_at: float | None
    refused: int = 0


class ScheduleStep(msgspec.Struct, frozen=True, gc=False):
    """Where a tenant's schedule stands after a look at it, if it still has the revision that was looked at."""

    tenant: str
    name: str
    revision: int
    standing: Standing


class Hold(msgspec.Struct, frozen=True, gc=False):
    """An entry of the log that failed and keeps its place: from `due_at` on, `attempt` may start."""

    seq: int
    queue: int
    attempt: int
    due_at: float
    error: str


class Extras(msgspec.Struct):
    """What few batches hold. Each list is written by a statement of its own, before the one that checks the fence.

    To repeat that statement must be harmless: what becomes of a batch whose commit was lost is told by its other parts.
    """

    states: list[StoredState] = msgspec.field(default_factory=list)
    """The last one of an actor counts."""
    holds: list[Hold] = msgspec.field(default_factory=list)
    """The last one of an entry counts."""
    ended_holds: list[int] = msgspec.field(default_factory=list)
    """Entries (by seq) that have come to their end, whatever `holds` says of them."""
    results: list[Result] = msgspec.field(default_factory=list)
    replays: list[ReplayStep] = msgspec.field(default_factory=list)
    aborted: list[UUID] = msgspec.field(default_factory=list)
    """Jobs whose orders to abort are carried out, and forgotten."""
    taken: list[int] = msgspec.field(default_factory=list)
    """Places in the outbox that are taken out. Another writer may have been faster: then nothing is written."""
    schedules: list[ScheduleStep] = msgspec.field(default_factory=list)
    """Should one of them have changed, nothing is written."""
    audits: list[AuditEntry] = msgspec.field(default_factory=list)
    claims: list[Claim] = msgspec.field(default_factory=list)
    """Of events and delayed events of the batch. These alone are written first, as the rest depends on them."""

    def __len__(self) -> int:
        count = 0
        for name in self.__struct_fields__:
            count += len(getattr(self, name))
        return count

    def add(self, others: Extras) -> None:
        for name in self.__struct_fields__:
            if found := getattr(others, name):
                getattr(self, name).extend(found)


class Batch(msgspec.Struct):
    """What one commit writes, all of it or nothing."""

    events: list[Event] = msgspec.field(default_factory=list)
    outcomes: list[Outcome] = msgspec.field(default_factory=list)
    delayed: list[Delayed] = msgspec.field(default_factory=list)
    dead_letters: list[DeadLetter] = msgspec.field(default_factory=list)
    extras: Extras | None = None

    def __len__(self) -> int:
        usual = len(self.events) + len(self.outcomes) + len(self.delayed) + len(self.dead_letters)
        return usual if self.extras is None else usual + len(self.extras)

    def keep(self, emitted: Iterable[Event | Delayed]) -> None:
        """Add what a handler emitted."""
        for one in emitted:
            if isinstance(one, Event):
                self.events.append(one)
            else:
                self.delayed.append(one)

    def extra(self) -> Extras:
        """Its extras, to add to."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras


class QueueState(msgspec.Struct, frozen=True):
    """A queue as recovery finds it: every entry up to `watermark` has its outcome; `last_seq` ends the log."""

    id: int
    service: str
    tenant: str
    watermark: int
    last_seq: int


class Attempt(msgspec.Struct, frozen=True):
    """One attempt at an event, as people see it."""

    attempt: int
    accepted_at: float
    outcome: str | None
    """`done`, `retry`, `dead`, `aborted`, or None while it waits or runs."""
    started_at: float | None
    finished_at: float | None
    error: str | None


DeadLetterState = Literal["open", "replayed", "discarded"]


class AuditRecord(msgspec.Struct, frozen=True):
    """Who did what, when."""

    action: str
    by: str
    at: float
    detail: str | None = None


class DeadLetterView(msgspec.Struct, frozen=True):
    """A dead letter as people see it. Attempts and audit are empty in a list and full when one is shown."""

    event: Event
    cause: Cause
    died_at: float
    state: DeadLetterState
    replayed_as: UUID | None = None
    replay_outcome: str | None = None
    """`done`, `dead`, `pending`, or None if it was not replayed."""
    attempts: list[Attempt] = []
    audit: list[AuditRecord] = []


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters to list: newest first, at most `limit`, older than the event `before`."""

    service: str | None = None
    tenant: str | None = None
    state: DeadLetterState | None = "open"
    limit: int = 50
    before: UUID | None = None
