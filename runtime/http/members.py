"""The route of the processes that share the database."""

from __future__ import annotations

from runtime.http.route import Call, Route
from runtime.member_views import MembersJson, members_json


async def list_members(call: Call) -> tuple[int, MembersJson]:
    return 200, members_json(await call.operations.members(), call.health.incarnation)


MEMBER_ROUTES = (
    Route(
        method="GET",
        path="/v1/members",
        summary="The processes that share the database, and the shards that each of them owns",
        handle=list_members,
        answers={200: MembersJson},
    ),
)
