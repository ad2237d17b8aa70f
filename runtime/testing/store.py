"""The in-memory store as an app runs on it."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.store.memory import MemoryStore
from runtime.store.memory_database import MemoryDatabase
from runtime.store.no_database import NoDatabase


class NoTables(NoDatabase):
    """`App.tables` has no effect where there is no database."""

    async def run_scripts(self, scripts: Sequence[str], *, lock: str) -> None:
        """Nothing to run."""


class TestingStore(MemoryStore):
    """Open from the beginning: there is nothing to connect to."""

    __test__ = False

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database)
        self.database = NoTables()
        self._open = True
