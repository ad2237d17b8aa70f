"""The route of dead letters in memory."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runtime.http.route import Call, Route
from runtime.operations import MAX_PAGE
from runtime.views import DeadMessagesJson, dead_messages_json


class DeadMessageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of the last ones to show."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50


async def list_dead_messages(call: Call) -> tuple[int, DeadMessagesJson]:
    query: DeadMessageQuery = call.query
    return 200, dead_messages_json(call.operations.dead_messages(query.limit))


DEAD_MESSAGE_ROUTES = (
    Route(
        method="GET",
        path="/v1/dead-messages",
        summary="Messages in memory that were never handled: counts by reason, and the last ones, newest first",
        handle=list_dead_messages,
        answers={200: DeadMessagesJson},
        query=DeadMessageQuery,
    ),
)
