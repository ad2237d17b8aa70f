"""The routes of tenants: how they stand, what is set for them, why an event waits."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runtime.core.explanation import Explanation
from runtime.core.policy import NOTHING_SET, Policy, Scope
from runtime.http.requests import BY_HTTP, MAX_REASON, Name, Person, decode_id
from runtime.http.route import Call, Route
from runtime.operations import MAX_PAGE
from runtime.tenant_views import (
    HistoryJson,
    PoliciesJson,
    PolicyJson,
    StandingsJson,
    TenantJson,
    policy_json,
    tenant_json,
    version_json,
)

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]


class StandingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tenants to list."""

    service: Name | None = None
    tenant: Name | None = None
    limit: Limit = 50


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which scope; what is left out stands for all."""

    service: Name | None = None
    tenant: Name | None = None
    limit: Limit = 50


class PolicyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`set` is laid over what was set before, `reset` names settings to go back to those of the app."""

    service: Name | None = None
    tenant: Name | None = None
    set: Policy = NOTHING_SET
    reset: list[str] = []
    by: Person = BY_HTTP
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] | None = None


class RestoreBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version as the history numbers it."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    by: Person = BY_HTTP
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] | None = None


async def list_tenants(call: Call) -> tuple[int, StandingsJson]:
    query: StandingQuery = call.query
    found = call.operations.tenants.standings(service=query.service, tenant=query.tenant, limit=query.limit)
    return 200, StandingsJson(found)


async def show_tenant(call: Call) -> tuple[int, TenantJson]:
    return 200, tenant_json(call.operations.tenants.report(call.path["tenant"]))


async def list_policies(call: Call) -> tuple[int, PoliciesJson]:
    return 200, PoliciesJson([policy_json(policy) for policy in call.operations.tenants.policies()])


async def policy_history(call: Call) -> tuple[int, HistoryJson]:
    query: HistoryQuery = call.query
    found = await call.operations.tenants.history(Scope(query.service, query.tenant), query.limit)
    return 200, HistoryJson([version_json(record) for record in found])


async def change_policy(call: Call) -> tuple[int, PolicyJson]:
    body: PolicyBody = call.body
    scope = Scope(body.service, body.tenant)
    changed = await call.operations.tenants.change(scope, body.set, body.reset, by=body.by, reason=body.reason)
    return 200, policy_json(changed)


async def restore_policy(call: Call) -> tuple[int, PolicyJson]:
    body: RestoreBody = call.body
    restored = await call.operations.tenants.restore(body.version, by=body.by, reason=body.reason)
    return 200, policy_json(restored)


async def explain_event(call: Call) -> tuple[int, Explanation]:
    return 200, await call.operations.tenants.explain(decode_id(call.path))


TENANT_ROUTES = (
    Route(
        method="GET",
        path="/v1/tenants",
        summary="Tenants that wait or run, or did so lately, in each service; those that wait the most first",
        handle=list_tenants,
        answers={200: StandingsJson},
        query=StandingQuery,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/v1/tenants/{tenant}",
        summary="One tenant: how it stands in each service, what is set for it, its daily quota",
        handle=show_tenant,
        answers={200: TenantJson},
    ),
    Route(
        method="GET",
        path="/v1/policies",
        summary="What is set for tenants and services, by the app, its file, and people",
        handle=list_policies,
        answers={200: PoliciesJson},
    ),
    Route(
        method="POST",
        path="/v1/policies",
        summary="Set or reset shares, caps, limits or the state of a tenant or a service, in force at once",
        handle=change_policy,
        answers={200: PolicyJson},
        body=PolicyBody,
        errors=(503,),
    ),
    Route(
        method="GET",
        path="/v1/policies/history",
        summary="The versions of what people set for a tenant or a service, newest first",
        handle=policy_history,
        answers={200: HistoryJson},
        query=HistoryQuery,
        errors=(503,),
    ),
    Route(
        method="POST",
        path="/v1/policies/restore",
        summary="Set what a version set, and nothing else, in force at once",
        handle=restore_policy,
        answers={200: PolicyJson},
        body=RestoreBody,
        errors=(404, 503),
    ),
    Route(
        method="GET",
        path="/v1/events/{id}/explain",
        summary="Why an event waits, its place, its tenant's share, and when it is likely to start",
        handle=explain_event,
        answers={200: Explanation},
        errors=(404, 503),
    ),
)
