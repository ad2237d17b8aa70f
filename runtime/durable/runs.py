"""What runs in the slots of one service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runtime.durable.aborts import Standing
from runtime.store.records import Entry

if TYPE_CHECKING:
    from runtime.durable.chunk import ChunkRun


class Runs(dict[int, "ChunkRun"]):
    """The chunk in each filled slot, by the slot's number."""

    __slots__ = ()

    def entries_out(self) -> Iterator[Entry]:
        """Those that have been started and have not left their slots."""
        return (taken.entry for run in self.values() for taken in run.chunk)

    def running_entries(self) -> Iterator[Entry]:
        """Those whose handlers run at this moment."""
        return (entry for run in self.values() if (entry := run.running_entry) is not None)

    def standing(self, seq: int) -> Standing | None:
        """Where an entry is in the chunk that holds it, if one does."""
        found = (run.standing(seq) for run in self.values())
        return next((standing for standing in found if standing is not None), None)

    def handling(self, seq: int) -> ChunkRun | None:
        """The run whose actor has an entry, if its handler has begun."""
        for run in self.values():
            delivery = run.delivery
            if delivery is not None and delivery.entry.seq == seq and delivery.started_at:
                return run
        return None
