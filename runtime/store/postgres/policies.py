"""`runtime.store.policies.PolicyStore` in PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from runtime.core.policy import Policy, Scope
from runtime.store.policies import MAX_HISTORY, MAX_POLICIES, Bundle, Hours, PolicyChange, PolicyRecord, noted
from runtime.store.postgres.audit import audit_columns
from runtime.store.postgres.outbox import posted_columns
from runtime.store.postgres.pool import Pool, Row
from runtime.store.postgres.portions import Portions
from runtime.store.postgres.schedules import change_schedules


class Policies:
    """The policies of one schema."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements
        self.portions = Portions(pool, statements)

    async def change(self, change: PolicyChange, *, by: str, at: float, reason: str | None) -> PolicyRecord:
        async with self._pool.transaction() as connection:
            await connection.execute(self._sql["lock_policies"])
            [row] = await connection.fetch(self._sql["change_policy"], *_change_columns(change), at, by, reason)
            entry = noted(change, by=by, at=at, reason=reason)
            await connection.fetch(self._sql["write_audit"], *audit_columns([entry]))
        return _record(row)

    async def take_in(self, bundle: Bundle) -> None:
        async with self._pool.transaction() as connection:
            await connection.execute(self._sql["lock_policies"])
            for change in bundle.changes:
                arguments = (*_change_columns(change), bundle.at, bundle.by, bundle.reason)
                await connection.fetch(self._sql["change_policy"], *arguments)
            for posted in bundle.posted:
                await connection.execute(self._sql["put_into_outbox"], *posted_columns(posted))
            if bundle.schedules:
                await change_schedules(connection, self._sql, bundle.schedules, bundle.max_schedules)
            if bundle.audits:
                await connection.fetch(self._sql["write_audit"], *audit_columns(bundle.audits))

    async def version(self) -> int:
        [row] = await self._pool.fetch(self._sql["policy_version"])
        version: int = row[0]
        return version

    async def current(self) -> list[PolicyRecord]:
        return [_record(row) for row in await self._pool.fetch(self._sql["policies"], MAX_POLICIES)]

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        rows = await self._pool.fetch(self._sql["policy_history"], *_columns(scope), min(limit, MAX_HISTORY))
        return [_record(row) for row in rows]

    async def find(self, version: int) -> PolicyRecord | None:
        rows = await self._pool.fetch(self._sql["policy_of_version"], version)
        return _record(rows[0]) if rows else None

    async def count_usage(self, added: Mapping[str, Hours], since_hour: int) -> Mapping[str, Hours]:
        if not added:
            return {}
        rows = sorted((tenant, hour, events) for tenant, hours in added.items() for hour, events in hours.items())
        if rows:
            await self._pool.fetch(self._sql["add_usage"], *_transposed(rows))
        usage: dict[str, dict[int, int]] = defaultdict(dict)
        for row in await self._pool.fetch(self._sql["usage"], list(added), since_hour):
            usage[row["tenant"]][row["hour"]] = row["events"]
        return {tenant: usage[tenant] for tenant in added}

    async def count_waiting(self, scope: Scope, limit: int) -> int:
        [row] = await self._pool.fetch(self._sql["count_waiting"], scope.service, scope.tenant, limit + 1)
        waiting: int = row[0]
        return waiting

    async def forget_usage(self, before_hour: int) -> None:
        await self._pool.fetch(self._sql["forget_usage"], before_hour)


def _transposed(rows: Sequence[tuple[str, int, int]]) -> list[list[str] | list[int]]:
    # sorted by the caller, so that two processes that add to the same hours wait for each other and do not deadlock
    return [[row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]]


def _change_columns(change: PolicyChange) -> tuple[str, str, str, list[str]]:
    return (*_columns(change.scope), msgspec.json.encode(change.changes).decode(), list(change.reset))


def _columns(scope: Scope) -> tuple[str, str]:
    return scope.service or "", scope.tenant or ""


def _record(row: Row) -> PolicyRecord:
    scope = Scope(row["service"] or None, row["tenant"] or None)
    policy = msgspec.json.decode(row["settings"], type=Policy)
    return PolicyRecord(row["version"], scope, policy, row["at"], row["actor"], row["reason"])
