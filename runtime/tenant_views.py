"""The JSON of tenants, of what is set for them, and of why an event waits."""

from __future__ import annotations

from typing import Any

import msgspec

from runtime.core.caps import Part
from runtime.core.policy import Policy, shown
from runtime.store.policies import PolicyRecord
from runtime.tenants import PolicyInForce, QuotaUse, Standing, TenantReport
from runtime.views import Time, utc


class StandingsJson(msgspec.Struct, frozen=True):
    standings: list[Standing]


class VersionJson(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what people set for a scope."""

    version: int
    at: Time
    by: str
    reason: str | None
    settings: Policy


class PolicyJson(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for a scope; null stands for all services or tenants. `live` is what people set while it runs."""

    service: str | None
    tenant: str | None
    settings: Policy
    live: VersionJson | None


class PoliciesJson(msgspec.Struct, frozen=True):
    policies: list[PolicyJson]


class HistoryJson(msgspec.Struct, frozen=True):
    versions: list[VersionJson]


class MoveJson(msgspec.Struct, frozen=True, kw_only=True):
    """See `runtime.core.fair_usage.Move`."""

    service: str
    at: Time
    from_tier: int
    to_tier: int
    slots: int
    of_slots: int
    tenants_waiting: int
    seconds: float


class TenantJson(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    standings: list[Standing]
    policies: list[PolicyJson]
    moves: list[MoveJson]
    quota: QuotaUse | None
    slots: Part | None


def version_json(record: PolicyRecord) -> VersionJson:
    return VersionJson(
        version=record.version, at=utc(record.at), by=record.by, reason=record.reason, settings=record.policy
    )


def policy_json(policy: PolicyInForce) -> PolicyJson:
    return PolicyJson(
        service=policy.scope.service,
        tenant=policy.scope.tenant,
        settings=policy.policy,
        live=None if policy.live is None else version_json(policy.live),
    )


def tenant_json(report: TenantReport) -> TenantJson:
    return TenantJson(
        tenant=report.tenant,
        standings=report.standings,
        policies=[policy_json(policy) for policy in report.policies],
        moves=[msgspec.convert(move, MoveJson, from_attributes=True, strict=False) for move in report.moves],
        quota=report.quota,
        slots=report.slots,
    )


def said(policy: Policy) -> str:
    """Settings in a line, as `weight 2, slots 3`."""
    values: dict[str, Any] = msgspec.to_builtins(policy)
    return ", ".join(
        f"{name} {f'{value:g}' if isinstance(value, float) else shown(value)}" for name, value in values.items()
    )


def whom(service: str | None, tenant: str | None) -> str:
    """The scope of a policy, as people name it."""
    if tenant is None:
        return f"service {service}" if service else "everything"
    return f"{tenant} in {service}" if service else tenant
