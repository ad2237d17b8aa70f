"""The audit for people: who did what, when."""

from __future__ import annotations

from runtime.errors import InvalidInputError
from runtime.store.audit import AuditFilter, AuditLine, AuditStore

MAX_LINES = 500


class AuditOffice:
    """What was noted, in pages."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def lines(self, which: AuditFilter) -> list[AuditLine]:
        """Newest first. Raises InvalidInputError for a `limit` outside 1 to 500, or a time frame that is empty."""
        if not 1 <= which.limit <= MAX_LINES:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_LINES}, not {which.limit}")
        if which.since is not None and which.until is not None and which.since >= which.until:
            raise InvalidInputError("until", "must be later than since")
        return await self._store.lines(which)
