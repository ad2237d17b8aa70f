"""Records for tests of the store."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from runtime.durable.ids import IdSource
from runtime.store.records import Batch, Cause, DeadLetter, Entry, Event, Outcome, OutcomeKind

NOW = 1_800_000_000.0
CAUSE = Cause("ValueError", "no such flight", "trips.py:7 in book")

_random = random.Random(7)
_ids = IdSource(lambda: NOW, _random.randbytes)


def new_id() -> UUID:
    return _ids.new_id()


def make_event(**fields: Any) -> Event:
    usual = {
        "id": new_id(),
        "service": "trips",
        "tenant": "acme",
        "key": "flight-1",
        "type": "Book",
        "payload": b'{"seats":2}',
        "accepted_at": NOW + 0.123456789,
        "enqueued_by": "tests",
    }
    return Event(**{**usual, **fields})


def make_events(count: int, **fields: Any) -> list[Event]:
    return [make_event(**fields) for _ in range(count)]


def done(entry: Entry) -> Outcome:
    return Outcome(entry.seq, OutcomeKind.DONE, NOW, NOW + 1)


def died(entry: Entry, at: float = NOW) -> Batch:
    outcome = Outcome(entry.seq, OutcomeKind.DEAD, NOW, NOW + 1, "ValueError: no such flight")
    return Batch(outcomes=[outcome], dead_letters=[DeadLetter(entry.event, CAUSE, at)])
