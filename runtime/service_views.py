"""The JSON of states and breakers that HTTP and the command line show."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from runtime.core.breaker import BreakerState
from runtime.service_operations import ParkedTenant
from runtime.store.records import StoredState
from runtime.views import Time


class StateJson(msgspec.Struct, frozen=True):
    """The durable state of one actor."""

    service: str
    tenant: str
    key: str
    version: int
    """`state_version` of the class that stored it."""
    saved_at: Time
    state: msgspec.Raw


class BreakerJson(msgspec.Struct, frozen=True):
    """How a tenant fares in a service: `failed` of its last `seen` events. Parked while `open` or `probing`."""

    service: str
    tenant: str
    state: BreakerState
    failed: int
    seen: int
    reason: str
    opened_at: Time | None
    try_at: Time | None


class BreakersJson(msgspec.Struct, frozen=True):
    breakers: list[BreakerJson]


class ResumedJson(msgspec.Struct, frozen=True):
    service: str
    tenant: str


def state_json(state: StoredState) -> StateJson:
    saved_at = datetime.fromtimestamp(state.saved_at, UTC)
    raw = msgspec.Raw(state.payload)
    return StateJson(state.service, state.tenant, state.key, state.version, saved_at, raw)


def breaker_json(parked: ParkedTenant) -> BreakerJson:
    view = parked.breaker
    return BreakerJson(
        service=parked.service,
        tenant=view.tenant,
        state=view.state,
        failed=view.failed,
        seen=view.seen,
        reason=view.reason,
        opened_at=_time(view.opened_at),
        try_at=_time(view.try_at),
    )


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
