"""The routes: each parses, calls the read service, and gives back what is to be encoded."""

from __future__ import annotations

from typing import Any

import msgspec

from runtime.http.audit import AUDIT_ROUTES
from runtime.http.dead_messages import DEAD_MESSAGE_ROUTES
from runtime.http.jobs import JOB_ROUTES
from runtime.http.members import MEMBER_ROUTES
from runtime.http.replays import REPLAY_ROUTES
from runtime.http.requests import DeadLetterQuery, DiscardBody, EventBody, ReplayBody, decode_id
from runtime.http.route import Call, Route
from runtime.http.schedules import SCHEDULE_ROUTES
from runtime.http.services import SERVICE_ROUTES
from runtime.http.tenants import TENANT_ROUTES
from runtime.http.trees import TREE_ROUTES
from runtime.operations import Readiness
from runtime.views import (
    Accepted,
    DeadLetterJson,
    DeadLetterPage,
    Discarded,
    Health,
    ServicesJson,
    TreeJson,
    dead_letter_json,
    page_json,
    tree_json,
)


async def health(call: Call) -> tuple[int, Health]:
    return 200, call.health


async def readiness(call: Call) -> tuple[int, Readiness]:
    state = call.operations.readiness()
    return (200 if state.ready else 503), state


async def tree(call: Call) -> tuple[int, TreeJson]:
    return 200, tree_json(call.operations.tree())


async def services(call: Call) -> tuple[int, ServicesJson]:
    return 200, ServicesJson(call.operations.services())


async def enqueue(call: Call) -> tuple[int, Accepted]:
    body: EventBody = call.body
    receipt = await call.operations.enqueue_json(
        call.path["name"],
        bytes(body.payload),
        tenant=body.tenant,
        key=body.key,
        type_name=body.type,
        event_id=body.id,
        delay_seconds=body.delay_seconds,
        by=body.by,
        finalizer=body.finalizer,
        signature=body.signature,
    )
    return 202, Accepted(receipt.id, receipt.duplicate)


async def list_dead_letters(call: Call) -> tuple[int, DeadLetterPage]:
    query: DeadLetterQuery = call.query
    return 200, page_json(await call.operations.dead_letters(query.filter()), query.limit)


async def show_dead_letter(call: Call) -> tuple[int, DeadLetterJson]:
    return 200, dead_letter_json(await call.operations.dead_letter(decode_id(call.path)))


async def replay(call: Call) -> tuple[int, Accepted]:
    body: ReplayBody = call.body
    payload = None if isinstance(body.payload, msgspec.UnsetType) else bytes(body.payload)
    return 202, Accepted(await call.operations.replay(decode_id(call.path), by=body.by, payload=payload))


async def discard(call: Call) -> tuple[int, Discarded]:
    body: DiscardBody = call.body
    event_id = decode_id(call.path)
    await call.operations.discard(event_id, by=body.by, reason=body.reason)
    return 200, Discarded(event_id)


async def show_openapi(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, call.document()


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        summary="Whether the process is alive, and which one it is",
        handle=health,
        answers={200: Health},
    ),
    Route(
        method="GET",
        path="/readyz",
        summary="Whether the app accepts and processes events, and why not",
        handle=readiness,
        answers={200: Readiness, 503: Readiness},
    ),
    Route(
        method="GET",
        path="/v1/tree",
        summary="The supervision tree of the whole process",
        handle=tree,
        answers={200: TreeJson},
    ),
    Route(
        method="GET",
        path="/v1/services",
        summary="The services with their settings and the messages they take",
        handle=services,
        answers={200: ServicesJson},
    ),
    Route(
        method="POST",
        path="/v1/services/{name}/events",
        summary="Enqueue an event; when this answers, it is on disk",
        handle=enqueue,
        answers={202: Accepted},
        body=EventBody,
        errors=(404, 409, 413, 422, 429, 503),
    ),
    Route(
        method="GET",
        path="/v1/dead-letters",
        summary="A page of dead letters, newest first",
        handle=list_dead_letters,
        answers={200: DeadLetterPage},
        query=DeadLetterQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path="/v1/dead-letters/{id}",
        summary="One dead letter with its cause, attempts and audit",
        handle=show_dead_letter,
        answers={200: DeadLetterJson},
        errors=(404, 503),
    ),
    Route(
        method="POST",
        path="/v1/dead-letters/{id}/replay",
        summary="Run a dead letter again as a new event, whose id is the answer",
        handle=replay,
        answers={202: Accepted},
        body=ReplayBody,
        errors=(404, 409, 413, 422, 503),
    ),
    Route(
        method="POST",
        path="/v1/dead-letters/{id}/discard",
        summary="Give a dead letter up",
        handle=discard,
        answers={200: Discarded},
        body=DiscardBody,
        errors=(404, 409, 413, 503),
    ),
    *DEAD_MESSAGE_ROUTES,
    *TENANT_ROUTES,
    *SCHEDULE_ROUTES,
    *SERVICE_ROUTES,
    *JOB_ROUTES,
    *AUDIT_ROUTES,
    *TREE_ROUTES,
    *MEMBER_ROUTES,
    *REPLAY_ROUTES,
    Route(
        method="GET",
        path="/v1/openapi.json",
        summary="This description",
        handle=show_openapi,
        answers={200: dict},
    ),
)
