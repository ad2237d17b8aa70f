"""The ids that stand for (service, tenant) in the log."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.store.postgres.pool import Pool

MAX_CACHED = 200_000
"""About 40 MB. Beyond it the cache starts afresh."""


class QueueIds:
    """Ids never change, so they are remembered; missing ones are made in one statement for a whole batch."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements
        self._ids: dict[tuple[str, str], int] = {}
        self._names: dict[int, tuple[str, str]] = {}

    async def of(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The ids of the given pairs of service and tenant.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        pairs = set(wanted)
        ids = self._ids
        missing = [pair for pair in pairs if pair not in ids]
        if missing and len(ids) + len(missing) > MAX_CACHED:
            ids.clear()
            missing = list(pairs)
        if missing:
            missing = await self._find(missing)
        if missing:
            await self._pool.fetch(self._sql["create_queues"], *_columns(missing))
            missing = await self._find(missing)
            assert not missing, "queues are never deleted"
        return {pair: self._ids[pair] for pair in pairs}

    async def name_of(self, queue: int) -> tuple[str, str] | None:
        """The service and the tenant of a queue; None if there is no such queue.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        name = self._names.get(queue)
        if name is None:
            for service, tenant in await self._pool.fetch(self._sql["queue_name"], queue):
                if len(self._names) >= MAX_CACHED:
                    self._names.clear()
                name = self._names[queue] = service, tenant
        return name

    async def _find(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        for row in await self._pool.fetch(self._sql["find_queues"], *_columns(pairs)):
            self._ids[row["service"], row["tenant"]] = row["id"]
        return [pair for pair in pairs if pair not in self._ids]


def _columns(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    # Sorted, so that two processes that make the same queues wait for each other and do not deadlock.
    ordered = sorted(pairs)
    return [service for service, _ in ordered], [tenant for _, tenant in ordered]
