"""`runtime.store.portions.PortionStore` in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from uuid import UUID

from runtime.core.portions import Statement
from runtime.store.portions import Stated


class MemoryPortions:
    """What several stores share, as several processes share a database."""

    def __init__(self, members: Callable[[], Collection[UUID]]) -> None:
        self._members = members
        self._version = 0
        self._statements: dict[UUID, Statement] = {}

    async def read(self) -> Stated:
        members = self._members()
        self._statements = {name: each for name, each in self._statements.items() if name in members}
        return Stated(self._version, time.time(), self._statements)

    async def state(self, incarnation: UUID, statement: Statement, version: int) -> bool:
        if version != self._version or incarnation not in self._members():
            return False
        self._version += 1
        self._statements = {**self._statements, incarnation: statement}
        return True
