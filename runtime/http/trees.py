"""The routes of supervisors and their children."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runtime.http.requests import BY_HTTP, Name, Person
from runtime.http.route import Call, Route
from runtime.trees.operations import MAX_CHILDREN
from runtime.trees.views import ChildDoneJson, SupervisorJson, supervisor_json


class SupervisorQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which supervisor, by its path, and how many of its children."""

    path: Name
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHILDREN)] = 100


class ChildBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which child, by its path such as `pipeline/parser`."""

    path: Name
    by: Person = BY_HTTP


async def show_supervisor(call: Call) -> tuple[int, SupervisorJson]:
    query: SupervisorQuery = call.query
    return 200, supervisor_json(call.operations.trees.supervisor(query.path, query.limit))


async def restart_child(call: Call) -> tuple[int, ChildDoneJson]:
    body: ChildBody = call.body
    await call.operations.trees.restart(body.path, by=body.by)
    return 200, ChildDoneJson(body.path)


async def terminate_child(call: Call) -> tuple[int, ChildDoneJson]:
    body: ChildBody = call.body
    await call.operations.trees.terminate(body.path, by=body.by)
    return 200, ChildDoneJson(body.path)


async def delete_child(call: Call) -> tuple[int, ChildDoneJson]:
    body: ChildBody = call.body
    await call.operations.trees.delete(body.path, by=body.by)
    return 200, ChildDoneJson(body.path)


TREE_ROUTES = (
    Route(
        method="GET",
        path="/v1/supervisor",
        summary="A supervisor of the app's trees with its children and the reasons of their last exits",
        handle=show_supervisor,
        answers={200: SupervisorJson},
        query=SupervisorQuery,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/v1/supervisor/restart-child",
        summary="Start a child that is down",
        handle=restart_child,
        answers={200: ChildDoneJson},
        body=ChildBody,
        errors=(404, 409, 503),
    ),
    Route(
        method="POST",
        path="/v1/supervisor/terminate-child",
        summary="Stop a child; it stays down until it is restarted by request",
        handle=terminate_child,
        answers={200: ChildDoneJson},
        body=ChildBody,
        errors=(404, 409, 503),
    ),
    Route(
        method="POST",
        path="/v1/supervisor/delete-child",
        summary="Forget a child that is down",
        handle=delete_child,
        answers={200: ChildDoneJson},
        body=ChildBody,
        errors=(404, 409, 503),
    ),
)
