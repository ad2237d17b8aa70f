"""The JSON of the audit that HTTP and the command line show."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.store.audit import AuditLine
from runtime.views import Time, utc


class AuditLineJson(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the event, `target` what else it was done to, such as a service or a tenant."""

    id: int
    at: Time
    by: str
    action: str
    subject: UUID | None
    target: str | None
    detail: str | None


class AuditPageJson(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` must be for the page that follows, or null on the last one."""

    lines: list[AuditLineJson]
    next: int | None


def audit_page_json(lines: list[AuditLine], limit: int) -> AuditPageJson:
    shown = [
        AuditLineJson(
            id=line.id,
            at=utc(line.at),
            by=line.by,
            action=line.action,
            subject=line.subject,
            target=line.target,
            detail=line.detail,
        )
        for line in lines
    ]
    return AuditPageJson(shown, shown[-1].id if len(shown) == limit else None)
