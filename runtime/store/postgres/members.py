"""The processes that share the database, and who of them owns what.

What a process writes is checked against the table of members, in every transaction: its session may be gone, or it may
have been paused and taken for dead, without its noticing.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from uuid import UUID

from runtime.core.lease import DEFAULT_SHARDS, Lease
from runtime.errors import LeaseLostError
from runtime.store.membership import Arrival, Member, MemberProfile, Taken
from runtime.store.postgres.fence import Fence
from runtime.store.postgres.pool import Connection, Pool
from runtime.store.postgres.session import Session

WRITERS_SECONDS = 10
"""How long a change of members waits for transactions that have passed the fence and are about to commit."""
LOST = "this process was taken for dead, and others own its shards since; start anew"
SHARD_BITS = 16


class Members:
    """The part of `Store` that is about members and shards."""

    def __init__(self, pool: Pool, statements: dict[str, str], fence: Fence) -> None:
        self._pool = pool
        self._sql = statements
        self._fence = fence
        self._session = Session(pool.address, statements)

    async def join(self, incarnation: UUID, profile: MemberProfile | None) -> Lease:
        """Raises as `Store.join` does."""
        known = self._fence.lease
        if known is not None and known.incarnation == incarnation:
            await self._session.hold(anew=False)
            return await self.renew(profile)
        profile = profile or MemberProfile()
        number = await self._session.hold(anew=known is not None)
        async with self._pool.transaction() as connection:
            await self._wait_writers(connection)
            await connection.execute(self._sql["create_shards"], DEFAULT_SHARDS)
            epoch = await connection.fetchval(
                self._sql["join_members"],
                *(incarnation, number, profile.label, profile.url, profile.passive, time.time()),
            )
            self._fence.lease = await self._lease(connection, incarnation, epoch)
        return self._fence.lease

    async def renew(self, profile: MemberProfile | None = None) -> Lease:
        """Begin a new epoch, which fences whatever was sent in the one before and has not been committed.

        Raises:
            LeaseLostError: this process is no member any more.
        """
        incarnation = self._fence.require().incarnation
        with self._fence.changing():
            async with self._pool.transaction() as connection:
                lease = await self._renewed(connection, incarnation)
                if profile is not None:
                    shown = (profile.label, profile.url, profile.passive)
                    await connection.execute(self._sql["show_member"], incarnation, *shown)
            self._fence.learn(lease)
        return lease

    async def take(self, shards: Collection[int]) -> Taken:
        """Raises as `Store.take_shards` does."""
        known = self._fence.require()
        async with self._pool.transaction() as connection:
            epoch = await connection.fetchval(self._sql["confirm_member"], known.incarnation)
            if epoch is None:
                raise LeaseLostError(LOST)
            rows = await connection.fetch(self._sql["take_shards"], known.incarnation, list(shards))
            lease = await self._lease(connection, known.incarnation, epoch)
        self._fence.learn(lease)
        return Taken(
            frozenset(row["shard"] for row in rows), frozenset(row["shard"] for row in rows if not row["clean"])
        )

    async def give_up(self, shards: Collection[int], unclean: Collection[int]) -> None:
        """Raises as `Store.give_up_shards` does."""
        incarnation = self._fence.require().incarnation
        async with self._fence.gate.shut():
            with self._fence.changing():
                async with self._pool.transaction() as connection:
                    await connection.execute(self._sql["give_up_shards"], incarnation, list(shards), list(unclean))
                    lease = await self._renewed(connection, incarnation)
                self._fence.learn(lease)

    async def leave(self, unclean: Collection[int]) -> None:
        """Raises as `Store.leave` does."""
        lease = self._fence.require()
        await self.give_up(lease.shards, unclean)
        await self.remove(lease.incarnation, self._fence.require().epoch)

    async def remove(self, incarnation: UUID, epoch: int) -> bool:
        """Raises as `Store.remove_member` does."""
        async with self._pool.transaction() as connection:
            await self._wait_writers(connection)
            return bool(await connection.fetch(self._sql["remove_member"], incarnation, epoch))

    async def all(self) -> list[Member]:
        lease = self._fence.lease
        rows = await self._pool.fetch(self._sql["members"], None if lease is None else lease.incarnation)
        return [Member(**{**row, "shards": tuple(row["shards"])}) for row in rows]

    async def beat(self, now: float, position: int, utilization: float) -> None:
        await self._pool.fetch(self._sql["beat"], self._fence.require().incarnation, now, position, utilization)

    async def arrivals(self, after: int, limit: int) -> list[Arrival]:
        rows = await self._pool.fetch(self._sql["arrivals"], after, limit)
        return [Arrival(row["seq"], _unpacked(row["touched"])) for row in rows]

    async def forget_arrivals(self, position: int) -> None:
        await self._pool.fetch(self._sql["forget_arrivals"], position)

    async def wait_lost(self) -> str:
        return await self._session.wait_lost()

    async def close(self) -> None:
        await self._session.close()

    async def _renewed(self, connection: Connection, incarnation: UUID) -> Lease:
        await self._wait_writers(connection)
        epoch = await connection.fetchval(self._sql["renew_member"], incarnation)
        if epoch is None:
            raise LeaseLostError(LOST)
        return await self._lease(connection, incarnation, epoch)

    async def _wait_writers(self, connection: Connection) -> None:
        await connection.execute(f"SET LOCAL lock_timeout = '{WRITERS_SECONDS}s'")
        await connection.execute(self._sql["wait_writers"])

    async def _lease(self, connection: Connection, incarnation: UUID, epoch: int) -> Lease:
        row = await connection.fetchrow(self._sql["own_shards"], incarnation)
        assert row is not None, "it answers always"
        return Lease(incarnation, epoch, tuple(row["own"]), row["count"])


def touched_of(lease: Lease, queues: Sequence[int], shards: Sequence[int]) -> list[int] | None:
    """What `enter()` has to tell the owners of other shards to which events are appended; None if there are none."""
    if lease.whole:
        return None
    own = frozenset(lease.shards)
    foreign = {queue << SHARD_BITS | shard for queue, shard in zip(queues, shards, strict=True) if shard not in own}
    return sorted(foreign) or None


def _unpacked(touched: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((each >> SHARD_BITS, each & (1 << SHARD_BITS) - 1) for each in touched)
