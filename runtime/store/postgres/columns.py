"""Records as columns: the statements take one array for each column, or its literal (`arrays`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import Any

from runtime.core.lease import shard_of
from runtime.store.postgres import arrays
from runtime.store.postgres.pool import Row
from runtime.store.records import Batch, DeadLetter, Delayed, Entry, Event, Outcome

QueueIds = Mapping[tuple[str, str], int]
Columns = list[Any]

EVENT_COLUMNS = (
    "id",
    "attempt",
    "queue",
    "shard",
    "key",
    "type",
    "payload",
    "accepted_at",
    "enqueued_by",
    "cause",
    "origin",
    "depth",
    "headers",
)
QUEUE, SHARD = EVENT_COLUMNS.index("queue"), EVENT_COLUMNS.index("shard")


def event_columns(events: Sequence[Event], queues: QueueIds, shards: int) -> Columns:
    """One column for each of `EVENT_COLUMNS`."""
    return [
        [event.id for event in events],
        [event.attempt for event in events],
        queue_ids(events, queues),
        [shard_of(event.tenant, event.key, shards, event.id) for event in events],
        [event.key for event in events],
        [event.type for event in events],
        [event.payload for event in events],
        [event.accepted_at for event in events],
        [event.enqueued_by for event in events],
        [event.cause for event in events],
        [event.origin for event in events],
        [event.depth or None for event in events],
        [event.headers for event in events],
    ]


def event_values(event: Event, queue: int, shards: int) -> tuple[Any, ...]:
    """One value for each of `EVENT_COLUMNS`."""
    return (
        event.id,
        event.attempt,
        queue,
        shard_of(event.tenant, event.key, shards, event.id),
        event.key,
        event.type,
        event.payload,
        event.accepted_at,
        event.enqueued_by,
        event.cause,
        event.origin,
        event.depth or None,
        event.headers,
    )


def shortened(columns: Columns) -> Columns:
    """`event_columns` for a statement that fills in what `same` and `present` leave out: half of what is sent."""
    ids, attempts, queue_ids, shard_ids, keys, types, payloads, accepted_at, by, *rare = columns
    return [
        ids,
        same(attempts),
        arrays.numbers(queue_ids),
        arrays.numbers(shard_ids),
        arrays.texts(present(keys)),
        same(types),
        payloads,
        same(accepted_at),
        same(by),
        *map(present, rare),
    ]


def filled(columns: Columns) -> tuple[list[str], Columns]:
    """Names and values of those of `EVENT_COLUMNS` that are not null in every row."""
    found = [(name, column) for name, column in zip(EVENT_COLUMNS, columns, strict=True) if present(column)]
    return [name for name, _ in found], [column for _, column in found]


def same(values: list[Any]) -> list[Any]:
    """One value for all rows where all are equal."""
    return values[:1] if values and values.count(values[0]) == len(values) else values


def present(values: list[Any]) -> list[Any]:
    """No value where all are None."""
    # the first one tells most: to compare every id with None is slow
    return [] if values[:1] == [None] and values.count(None) == len(values) else values


def outcome_columns(outcomes: Sequence[Outcome]) -> Columns:
    """seq, kind, started_at, finished_at, error, for a statement that fills in what `same` and `present` leave out."""
    return [
        arrays.numbers([outcome.seq for outcome in outcomes]),
        same([outcome.kind for outcome in outcomes]),
        arrays.numbers([outcome.started_at for outcome in outcomes]),
        arrays.numbers([outcome.finished_at for outcome in outcomes]),
        present([outcome.error for outcome in outcomes]),
    ]


def delayed_columns(delayed: Sequence[Delayed], queues: QueueIds, shards: int) -> Columns:
    """Those of the event, and due_at."""
    return [*event_columns([each.event for each in delayed], queues, shards), [each.due_at for each in delayed]]


def dead_letter_columns(letters: Sequence[DeadLetter]) -> Columns:
    """Those of the event with service and tenant in full, then died_at and the cause."""
    events = [letter.event for letter in letters]
    return [
        [event.id for event in events],
        [event.attempt for event in events],
        [event.service for event in events],
        [event.tenant for event in events],
        [event.key for event in events],
        [event.type for event in events],
        [event.payload for event in events],
        [event.accepted_at for event in events],
        [event.enqueued_by for event in events],
        [event.cause for event in events],
        [event.origin for event in events],
        [event.depth or None for event in events],
        [event.headers for event in events],
        [letter.died_at for letter in letters],
        [letter.cause.type for letter in letters],
        [letter.cause.message for letter in letters],
        [letter.cause.stack for letter in letters],
    ]


def queue_ids(events: Sequence[Event], queues: QueueIds) -> list[int]:
    return [queues[event.service, event.tenant] for event in events]


def queued_pairs(batch: Batch) -> set[tuple[str, str]]:
    """The pairs of service and tenant of which a batch needs the queue."""
    pairs = {(event.service, event.tenant) for event in batch.events}
    if batch.delayed:
        pairs |= {(each.event.service, each.event.tenant) for each in batch.delayed}
    if batch.extras is not None:
        pairs |= {(state.service, state.tenant) for state in batch.extras.states}
    return pairs


def entry_of(row: Row) -> Entry:
    """An entry from seq, queue and the event's fields in their order."""
    return Entry(row[0], row[1], Event(*row[2:15]))


def entries_of(rows: Sequence[Row]) -> list[Entry]:
    return [entry_of(row) for row in rows]


def queue_entries(queue: int, service: str, tenant: str, rows: Sequence[Row]) -> list[Entry]:
    """Entries of one queue, from seq and the event's fields without service and tenant."""
    # every field by name: half the time of `*fields`
    return [
        Entry(
            seq, queue, Event(name, service, tenant, key, kind, payload, at, by, attempt, cause, origin, depth, headers)
        )
        for seq, name, key, kind, payload, at, by, attempt, cause, origin, depth, headers in rows
    ]


def placed(events: Sequence[Event], queue_ids: Sequence[int], last_seq: int, seqs: Sequence[int] | None) -> list[Entry]:
    """The places of events whose numbers end at `last_seq`; one whose number is not in `seqs` was stored before."""
    numbers = range(last_seq - len(events) + 1, last_seq + 1)
    if seqs is not None and len(seqs) == len(events):
        return list(starmap(Entry, zip(numbers, queue_ids, events, strict=True)))
    used = frozenset(seqs or ())
    return [
        Entry(seq, queue, event) for seq, queue, event in zip(numbers, queue_ids, events, strict=True) if seq in used
    ]
