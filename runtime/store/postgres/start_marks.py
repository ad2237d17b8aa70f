"""The marks of suspects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.store.postgres.fence import Fence
from runtime.store.postgres.pool import Pool, Row


class StartMarks:
    """The suspects' part of `Store`. Each of its statements may be repeated safely."""

    def __init__(self, pool: Pool, statements: dict[str, str], fence: Fence) -> None:
        self._pool = pool
        self._sql = statements
        self._fence = fence

    async def all(self) -> dict[int, int]:
        return {row["seq"]: row["starts"] for row in await self._pool.fetch(self._sql["start_marks"])}

    async def mark(self, starts: Mapping[int, int]) -> None:
        await self._write("mark_started", list(starts.keys()), list(starts.values()))

    async def clear(self) -> None:
        await self._write("clear_marks")

    async def _write(self, name: str, *arguments: Any) -> list[Row]:
        lease = self._fence.require()
        with self._fence.under(lease):
            return await self._pool.fetch(self._sql[name], *self._fence.arguments(lease), *arguments)
