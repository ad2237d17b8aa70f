"""`self.db` where there is no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from runtime.errors import DatabaseUseError


class NoDatabase:
    """Refuses every statement."""

    async def execute(self, sql: str, *args: Any) -> str:
        return self._refuse(sql, args)

    async def executemany(self, sql: str, args: Iterable[Sequence[Any]]) -> None:
        self._refuse(sql, args)

    async def fetch(self, sql: str, *args: Any) -> NoReturn:
        self._refuse(sql, args)

    async def fetchrow(self, sql: str, *args: Any) -> NoReturn:
        self._refuse(sql, args)

    async def fetchval(self, sql: str, *args: Any) -> NoReturn:
        self._refuse(sql, args)

    def _refuse(self, _sql: str, _args: object) -> NoReturn:
        raise DatabaseUseError("the in-memory store has no database: run a service that uses self.db on PostgreSQL")
