"""Signatures in the database: a claim and its event are written by one transaction."""

from __future__ import annotations

from uuid import UUID

from runtime.store.claims import Name, claimed_at, first_claims, settle, without_duplicates
from runtime.store.postgres.pool import Connection, Pool
from runtime.store.records import Batch


async def claim(connection: Connection, sql: str, batch: Batch) -> Batch:
    """Claim signatures in the transaction at hand; return what of the batch is to be written then.

    Whoever claims one of them in another transaction waits for the end of this one.
    """
    claims = batch.extra().claims
    first = first_claims(claims).values()
    rows = await connection.fetch(
        sql,
        [claim.scope for claim in first],
        [claim.signature for claim in first],
        [claim.id for claim in first],
        [claim.expires_at for claim in first],
        claimed_at(claims),
    )
    settle(claims, {(row["scope"], row["signature"]): row["id"] for row in rows})
    return without_duplicates(batch)


async def resolve_claims(pool: Pool, sql: str, batch: Batch) -> Batch | None:
    """What of a batch must be in the log if it was committed; None if it certainly was not."""
    claims = batch.extra().claims
    first, now = first_claims(claims), claimed_at(claims)
    rows = await pool.fetch(sql, [scope for scope, _ in first], [signature for _, signature in first])
    held: dict[Name, UUID] = {
        (row[0], row[1]): row[2] for row in rows if row[2] == first[row[0], row[1]].id or row[3] > now
    }
    if held.keys() != first.keys():
        return None
    settle(claims, held)
    return without_duplicates(batch)
