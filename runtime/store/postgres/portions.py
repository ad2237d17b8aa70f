"""`runtime.store.portions.PortionStore` in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.core.portions import Claim, Limit, Statement
from runtime.store.portions import Stated
from runtime.store.postgres.pool import Pool, Row

CLAIMS = list[tuple[Limit, Claim]]


class Portions:
    """The statements of one schema's members."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def read(self) -> Stated:
        rows = await self._pool.fetch(self._sql["portions"])
        statements = {row["incarnation"]: _statement(row) for row in rows if row["incarnation"] is not None}
        return Stated(rows[0]["version"], rows[0]["now"], statements)

    async def state(self, incarnation: UUID, statement: Statement, version: int) -> bool:
        claims = msgspec.json.encode(list(statement.claims.items())).decode()
        sql = self._sql["state_portion"]
        return bool(await self._pool.fetch_once(sql, incarnation, statement.shards, claims, version))


def _statement(row: Row) -> Statement:
    return Statement(row["shards"], dict(msgspec.json.decode(row["claims"], type=CLAIMS)))
