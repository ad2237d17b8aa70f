"""The audit in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.store.audit import AuditEntry, AuditFilter, AuditLine
from runtime.store.postgres.pool import Pool


class PostgresAudit:
    """`runtime.store.audit.AuditStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def note(self, entries: Sequence[AuditEntry]) -> None:
        await self._pool.fetch_once(self._sql["write_audit"], *audit_columns(entries))

    async def lines(self, which: AuditFilter) -> list[AuditLine]:
        rows = await self._pool.fetch(
            self._sql["audit"],
            which.by,
            which.action,
            which.subject,
            which.target,
            which.since,
            which.until,
            which.before,
            which.limit,
        )
        return [
            AuditLine(id=row[0], action=row[1], by=row[2], at=row[3], subject=row[4], target=row[5], detail=row[6])
            for row in rows
        ]


def audit_columns(entries: Sequence[AuditEntry]) -> list[Any]:
    """by, action, at, subject, target, detail."""
    rows = [msgspec.structs.asdict(entry) for entry in entries]
    return [[row[name] for row in rows] for name in ("by", "action", "at", "subject", "target", "detail")]
