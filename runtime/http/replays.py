"""The routes of replays by filter."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.http.requests import BY_HTTP, Name, Person, decode_id
from runtime.http.route import Call, Route
from runtime.replay_views import MatchedJson, ReplayJson, replay_json
from runtime.store.replays import ReplayFilter, ReplayOutcome
from runtime.views import Time


class ReplayFilterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events to run again, through which service. Events that have not ended are left out.

    With an `id` (a UUIDv7 of the caller's) asking twice is harmless. A filter that matches many needs `confirm`;
    `dry_run` only counts.
    """

    service: Name | None = None
    tenant: Name | None = None
    type: str | None = None
    outcome: ReplayOutcome | None = None
    since: Time | None = None
    until: Time | None = None
    ids: list[UUID] | None = None
    to: Name | None = None
    id: UUID | None = None
    confirm: bool = False
    dry_run: bool = False
    by: Person = BY_HTTP

    def filter(self) -> ReplayFilter:
        return ReplayFilter(
            service=self.service,
            tenant=self.tenant,
            type=self.type,
            outcome=self.outcome,
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            ids=self.ids,
        )


async def start_replay(call: Call) -> tuple[int, ReplayJson | MatchedJson]:
    body: ReplayFilterBody = call.body
    replays = call.operations.replays
    if body.dry_run:
        return 200, MatchedJson(await replays.count(body.filter()))
    request = await replays.start(body.filter(), by=body.by, to=body.to, confirm=body.confirm, request_id=body.id)
    return 202, replay_json(request)


async def show_replay(call: Call) -> tuple[int, ReplayJson]:
    return 200, replay_json(await call.operations.replays.view(decode_id(call.path)))


REPLAY_ROUTES = (
    Route(
        method="POST",
        path="/v1/replays",
        summary="Run stored events again by filter or by id, as new events; when this answers, the request is on disk",
        handle=start_replay,
        answers={200: MatchedJson, 202: ReplayJson},
        body=ReplayFilterBody,
        errors=(404, 503),
    ),
    Route(
        method="GET",
        path="/v1/replays/{id}",
        summary="How far a replay has got",
        handle=show_replay,
        answers={200: ReplayJson},
        errors=(404, 503),
    ),
)
