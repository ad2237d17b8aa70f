"""Delayed events on their way back to the log."""

from __future__ import annotations

from uuid import UUID

from runtime.errors import CommitUnknownError
from runtime.store.postgres.columns import entries_of, placed
from runtime.store.postgres.fence import Fence, own_shards
from runtime.store.postgres.members import Members
from runtime.store.postgres.pool import Pool
from runtime.store.records import Entry, Event


class Releases:
    """Moves due events and never forgets one whose move was cut short by a lost connection."""

    def __init__(self, pool: Pool, statements: dict[str, str], fence: Fence, members: Members) -> None:
        self._pool = pool
        self._sql = statements
        self._fence = fence
        self._members = members
        self._unsure: tuple[list[UUID], list[int]] | None = None

    async def release(self, now: float, limit: int) -> list[Entry]:
        """Raises as `Store.release_due` does."""
        moved = await self._settle_unsure()
        async with self._fence.gate:
            lease = self._fence.require()
            rows = await self._pool.fetch(self._sql["due"], now, limit, own_shards(lease))
            if not rows:
                return moved
            events = [Event(*row[1:]) for row in rows]
            names = ([event.id for event in events], [event.attempt for event in events])
            try:
                with self._fence.under(lease):
                    answer = await self._pool.fetch_once(self._sql["release"], *self._fence.arguments(lease), *names)
            except CommitUnknownError:
                self._unsure = names
                raise
        return moved + placed(events, [row["queue"] for row in rows], answer[0]["last_seq"], answer[0]["seqs"])

    async def _settle_unsure(self) -> list[Entry]:
        """The places of what was being moved when the connection was lost, as far as it was moved."""
        if self._unsure is None:
            return []
        await self._members.renew()  # a move still under way can no longer commit
        entries = entries_of(await self._pool.fetch(self._sql["find_entries"], *self._unsure))
        self._unsure = None
        return entries
