from __future__ import annotations

import pytest

from runtime.errors import DatabaseUseError
from runtime.store.memory import MemoryStore


@pytest.mark.parametrize("method", ["execute", "fetch", "fetchrow", "fetchval"])
async def test_the_memory_store_says_that_it_has_no_database(method: str) -> None:
    unit = MemoryStore().unit_of_work()
    unit.begin_event()
    with pytest.raises(DatabaseUseError, match="no database"):
        await getattr(unit.database, method)("SELECT 1")
    with pytest.raises(DatabaseUseError, match="no database"):
        await unit.database.executemany("SELECT 1", [])
    unit.undo_event()
    assert not unit.opened
    await unit.rollback()
