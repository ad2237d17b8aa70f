"""The parts of a batch that have statements of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.store.postgres import arrays
from runtime.store.postgres.audit import audit_columns
from runtime.store.postgres.columns import Columns, QueueIds
from runtime.store.postgres.replays import progress_columns
from runtime.store.postgres.schedules import step_columns
from runtime.store.records import Extras, StoredState

Statement = tuple[str, Sequence[Any]]
"""SQL and its arguments."""


def state_columns(extras: Extras, queues: QueueIds) -> Columns:
    """The columns of `write_states`: the last state of each actor, in one order for all writers."""
    last: dict[tuple[int, str], StoredState] = {
        (queues[state.service, state.tenant], state.key): state for state in extras.states
    }
    rows = sorted(last)
    states = [last[row] for row in rows]
    return [
        arrays.numbers([queue for queue, _ in rows]),
        arrays.texts([key for _, key in rows]),
        arrays.numbers([state.version for state in states]),
        [state.payload for state in states],
        arrays.numbers([state.saved_at for state in states]),
        arrays.texts([state.label for state in states]),
        arrays.numbers([state.ended for state in states]),
    ]


def hold_columns(extras: Extras, _queues: QueueIds) -> Columns:
    """seq, queue, attempt, due_at, error: the last hold of each entry."""
    last = {hold.seq: hold for hold in extras.holds}
    holds = [last[seq] for seq in sorted(last)]
    return [
        [hold.seq for hold in holds],
        [hold.queue for hold in holds],
        [hold.attempt for hold in holds],
        [hold.due_at for hold in holds],
        [hold.error for hold in holds],
    ]


def ended_hold_columns(extras: Extras, _queues: QueueIds) -> Columns:
    """Seq."""
    return [sorted(extras.ended_holds)]


def result_columns(extras: Extras, _queues: QueueIds) -> Columns:
    """id, value."""
    return [[result.id for result in extras.results], [result.value for result in extras.results]]


def _audits(extras: Extras, _queues: QueueIds) -> Columns:
    return audit_columns(extras.audits)


WRITES: Mapping[str, tuple[str, Callable[[Extras, QueueIds], Columns]]] = {
    "states": ("write_states", state_columns),
    "holds": ("write_holds", hold_columns),
    "ended_holds": ("end_holds", ended_hold_columns),
    "results": ("write_results", result_columns),
    "audits": ("write_audit", _audits),
    "replays": ("advance_replays", lambda extras, _queues: progress_columns(extras)),
    "aborted": ("forget_aborts", lambda extras, _queues: [extras.aborted]),
    "schedules": ("advance_schedules", lambda extras, _queues: step_columns(extras)),
    "taken": ("take_outbox", lambda extras, _queues: [extras.taken]),
}
"""By the list's name: the statement that writes it, and what makes its arguments. In the order written."""


def extra_statements(extras: Extras, queues: QueueIds, statements: Mapping[str, str]) -> list[Statement]:
    """One statement for each list that holds something."""
    return [
        (statements[name], columns(extras, queues))
        for field, (name, columns) in WRITES.items()
        if getattr(extras, field)
    ]
