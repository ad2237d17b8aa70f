"""The routes of actors' states and of tenants that services park."""

from __future__ import annotations

import msgspec

from runtime.http.requests import BY_HTTP, Name, Person
from runtime.http.route import Call, Route
from runtime.service_views import BreakersJson, ResumedJson, StateJson, breaker_json, state_json


class StateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose state."""

    tenant: Name
    key: Name


class BreakerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which service; of all unless given."""

    service: Name | None = None


class ResumeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tenant may go on."""

    tenant: Name
    by: Person = BY_HTTP


async def show_state(call: Call) -> tuple[int, StateJson]:
    query: StateQuery = call.query
    return 200, state_json(await call.operations.desk.state(call.path["name"], query.tenant, query.key))


async def list_breakers(call: Call) -> tuple[int, BreakersJson]:
    query: BreakerQuery = call.query
    return 200, BreakersJson([breaker_json(each) for each in call.operations.desk.breakers(query.service)])


async def resume_tenant(call: Call) -> tuple[int, ResumedJson]:
    body: ResumeBody = call.body
    await call.operations.desk.resume(call.path["name"], body.tenant, by=body.by)
    return 200, ResumedJson(call.path["name"], body.tenant)


SERVICE_ROUTES = (
    Route(
        method="GET",
        path="/v1/services/{name}/state",
        summary="The durable state of one actor, by tenant and key",
        handle=show_state,
        answers={200: StateJson},
        query=StateQuery,
        errors=(404, 503),
    ),
    Route(
        method="GET",
        path="/v1/breakers",
        summary="Tenants whose events failed lately, and which of them are parked for it",
        handle=list_breakers,
        answers={200: BreakersJson},
        query=BreakerQuery,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/v1/services/{name}/breakers/resume",
        summary="Let a parked tenant go on at once",
        handle=resume_tenant,
        answers={200: ResumedJson},
        body=ResumeBody,
        errors=(404, 409, 503),
    ),
)
