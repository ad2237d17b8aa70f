"""The route of the audit."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from runtime.audit_office import MAX_LINES
from runtime.audit_views import AuditPageJson, audit_page_json
from runtime.http.requests import Name
from runtime.http.route import Call, Route
from runtime.store.audit import AuditFilter
from runtime.views import Time


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lines to list."""

    by: Name | None = None
    action: Name | None = None
    subject: UUID | None = None
    target: Name | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)] = 50
    before: int | None = None

    def filter(self) -> AuditFilter:
        return AuditFilter(
            by=self.by,
            action=self.action,
            subject=self.subject,
            target=self.target,
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            limit=self.limit,
            before=self.before,
        )


async def list_audit(call: Call) -> tuple[int, AuditPageJson]:
    query: AuditQuery = call.query
    return 200, audit_page_json(await call.operations.audit.lines(query.filter()), query.limit)


AUDIT_ROUTES = (
    Route(
        method="GET",
        path="/v1/audit",
        summary="Who replayed, discarded, aborted or configured what, newest first",
        handle=list_audit,
        answers={200: AuditPageJson},
        query=AuditQuery,
        errors=(503,),
    ),
)
