"""Keeps the store open and the lease held; reads the queues once, at the first start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from runtime.core.supervision_errors import describe
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import LeaseHeldError, StoreError, StoreUnavailableError, TablesError
from runtime.store.membership import Taken
from runtime.store.port import AppStore
from runtime.store.records import QueueState

LOGGER = logging.getLogger("postroom.store")

TAKEOVER_SECONDS = 5.0
"""How long the session of a killed predecessor may take to end."""


END_SECONDS = 5.0
"""How long a stop waits for the database to note that it is one."""


class Recovered(msgspec.Struct, frozen=True):
    """What the run before left behind."""

    shards: frozenset[int]
    queues: Sequence[QueueState]
    starts: Mapping[int, int] | None
    """None if it ended cleanly, else how often entries without outcome were marked as started."""


class LeaseKeeper:
    """The work of the `store` part.

    When the session that holds the lease is lost, the lease is acquired again. If another incarnation owned the shards
    meanwhile, what this process knows is stale: the error ends it.
    """

    def __init__(
        self,
        store: AppStore,
        incarnation: UUID,
        tables: Sequence[str],
        *,
        recover: Callable[[Recovered], Awaitable[None]],
        is_suspecting: Callable[[], bool],
    ) -> None:
        self._store = store
        self._incarnation = incarnation
        self._tables = tables
        self._recover = recover
        self._is_suspecting = is_suspecting
        self._epoch = 0
        self._shards = range(0)
        self.ready = False
        self.waiting_for: str | None = "starting: the database is not open yet"

    async def open(self) -> None:
        """Open the store and take the lease.

        Raises:
            StoreError: the database cannot be reached or used, or another live process owns it.
        """
        try:
            await self._store.open()
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"{error}; check that the server runs where --database says") from error
        taken = await self._take_over()
        if not self.ready:
            await self._create_tables()
            await self._recover(Recovered(taken.shards, await self._store.queues(), await self._starts(taken)))
            self.ready = True
        self.waiting_for = None

    async def close(self) -> None:
        """Note that everything has come to its end, and close the store.

        A run that stops before what an earlier crash left has passed leaves that to the next one.
        """
        try:
            if self.ready:
                async with asyncio.timeout(END_SECONDS):
                    await self._store.leave(unclean=self._shards if self._is_suspecting() else ())
        except (StoreError, TimeoutError) as error:
            LOGGER.warning("the next start will look into a crash that was none: %s", describe(error))
        finally:
            await self._store.close()

    async def run(self) -> None:
        """Hold the lease for ever."""
        while True:
            reason = await self._store.wait_lease_lost()
            self.waiting_for = f"the lease was lost: {reason}"
            LOGGER.warning("the session that holds the lease is gone (%s); acquiring it again", reason)
            await self._reacquire()
            self.waiting_for = None

    def detail(self) -> str | None:
        return self.waiting_for or f"lease held in epoch {self._epoch}"

    async def _create_tables(self) -> None:
        try:
            await self._store.database.run_scripts(self._tables, lock="postroom tables")
        except StoreError:
            raise
        except Exception as error:
            raise TablesError(f"App.tables: the database refused the SQL ({describe(error)})") from error

    async def _reacquire(self) -> None:
        while True:
            try:
                self._epoch = (await self._store.join(self._incarnation)).epoch
            except StoreUnavailableError as error:
                self.waiting_for = str(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _take_over(self) -> Taken:
        """Join, and own every shard."""
        lease = await self._store.join(self._incarnation)
        self._epoch, self._shards = lease.epoch, range(lease.count)
        deadline = asyncio.get_running_loop().time() + TAKEOVER_SECONDS
        while owner := await self._living_owner():
            if asyncio.get_running_loop().time() >= deadline:
                await self._store.leave()
                raise LeaseHeldError(owner)
            await asyncio.sleep(RETRY_SECONDS)
        return await self._store.take_shards(self._shards)

    async def _living_owner(self) -> UUID | None:
        """Another process that lives and owns shards. Those that do not live are fenced."""
        for member in await self._store.members():
            if member.ended:
                await self._store.remove_member(member.incarnation, member.epoch)
            elif member.shards and member.incarnation != self._incarnation:
                return member.incarnation
        return None

    async def _starts(self, taken: Taken) -> Mapping[int, int] | None:
        if not taken.unclean:
            await self._store.clear_marks()
            return None
        return await self._store.start_marks()
