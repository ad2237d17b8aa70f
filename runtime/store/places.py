"""Which entries of the log are a batch's own, after its commit's answer was lost."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.store.records import Batch, Entry


def has_all_events(batch: Batch, found: Sequence[Entry]) -> bool:
    """Whether every event of the batch is in the log."""
    return len(found) == len({(event.id, event.attempt) for event in batch.events})


def own_places(batch: Batch, found: Sequence[Entry]) -> list[Entry]:
    """Leave out what an earlier batch had stored.

    A batch numbers its events without gaps, those left out included, so number less place is the same for all of its
    own entries and smaller for those stored before.
    """
    place: dict[object, int] = {}
    for index, event in enumerate(batch.events):
        place.setdefault((event.id, event.attempt), index)
    based = [(entry.seq - place[entry.event.id, entry.event.attempt], entry) for entry in found]
    base = max((each for each, _ in based), default=0)
    return [entry for each, entry in based if each == base]
