"""The audit of the in-memory store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runtime.store.audit import AuditEntry, AuditFilter, AuditLine


class MemoryAudit:
    """`runtime.store.audit.AuditStore`."""

    def __init__(self) -> None:
        self._lines: list[AuditLine] = []

    def add(self, entries: Sequence[AuditEntry]) -> None:
        for entry in entries:
            self._lines.append(AuditLine(id=len(self._lines) + 1, **msgspec.structs.asdict(entry)))

    async def note(self, entries: Sequence[AuditEntry]) -> None:
        self.add(entries)

    async def lines(self, which: AuditFilter) -> list[AuditLine]:
        return [line for line in reversed(self._lines) if _fits(line, which)][: which.limit]


def _fits(line: AuditLine, which: AuditFilter) -> bool:
    return (
        which.by in {None, line.by}
        and which.action in {None, line.action}
        and which.subject in {None, line.subject}
        and which.target in {None, line.target}
        and (which.since is None or line.at >= which.since)
        and (which.until is None or line.at < which.until)
        and (which.before is None or line.id < which.before)
    )
