"""The part of the store port that keeps what people set, version by version, and what tenants used of their quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from runtime.core.policy import FIELDS, Policy, Scope, shown
from runtime.store.audit import AuditEntry
from runtime.store.outbox import Posted
from runtime.store.portions import PortionStore
from runtime.store.schedules import ScheduleChange

MAX_POLICIES = 100_000
MAX_HISTORY = 500

Hours = Mapping[int, int]
"""Events by the hour, counted from the epoch."""


class PolicyRecord(msgspec.Struct, frozen=True):
    """One version of a scope's policy: all that was set live when it was written, by whom, when and why."""

    version: int
    scope: Scope
    policy: Policy
    at: float
    by: str
    reason: str | None = None


class PolicyChange(msgspec.Struct, frozen=True):
    """Settings to lay over the newest ones of a scope, without those named in `reset`."""

    scope: Scope
    changes: Policy
    reset: tuple[str, ...] = ()


def noted(change: PolicyChange, *, by: str, at: float, reason: str | None) -> AuditEntry:
    """What the audit says of a change."""
    why = f" ({reason})" if reason else ""
    return AuditEntry(action="set", by=by, at=at, target=str(change.scope), detail=described(change) + why)


def described(change: PolicyChange) -> str:
    """What is set and reset, in a line."""
    values = {name: getattr(change.changes, name) for name in FIELDS}
    said = [f"{name} {shown(value)}" for name, value in values.items() if value is not None]
    reset = [name for name in change.reset if values.get(name) is None]
    return ", ".join(said + [f"{name} reset" for name in reset]) or "nothing changed"


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into one transaction: what one person sets, events that are accepted, and what the audit says."""

    changes: list[PolicyChange]
    posted: list[Posted]
    audits: list[AuditEntry]
    by: str
    at: float
    reason: str | None = None
    schedules: list[ScheduleChange] = []
    max_schedules: int = 0
    """How many schedules a tenant may have then."""


class PolicyStore(Protocol):
    """Every method may raise `StoreUnavailableError`, after which it can be called again."""

    @property
    def portions(self) -> PortionStore:
        """What each process holds of the limits that are set for all of them."""
        ...

    async def change(self, change: PolicyChange, *, by: str, at: float, reason: str | None) -> PolicyRecord:
        """Lay a change over the newest settings of its scope, as a new version.

        The audit says who did it, in the same transaction.

        Changes of one scope by several processes come one after another, and none of them is lost.
        """
        ...

    async def take_in(self, bundle: Bundle) -> None:
        """Write all of a bundle or nothing. Where the connection is lost meanwhile, either may be the case.

        Raises ConflictError, as `ScheduleStore.change`.
        """
        ...

    async def version(self) -> int:
        """The number of the newest version, 0 where there is none. Those below it are all there."""
        ...

    async def current(self) -> list[PolicyRecord]:
        """The newest version of each scope."""
        ...

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        """The last `limit` versions of a scope, newest first."""
        ...

    async def find(self, version: int) -> PolicyRecord | None:
        """The version of that number, of whichever scope."""
        ...

    async def count_usage(self, added: Mapping[str, Hours], since_hour: int) -> Mapping[str, Hours]:
        """Add to the hours of tenants; returns what all processes added to each of theirs since an hour.

        Where the connection is lost meanwhile, it may have been added: a quota then counts it twice.
        """
        ...

    async def count_waiting(self, scope: Scope, limit: int) -> int:
        """How many entries of a scope have no outcome; at most one more than `limit` is counted."""
        ...

    async def forget_usage(self, before_hour: int) -> None:
        """Forget the hours before one."""
        ...
