"""Keeps the store open and this process a member of those who write to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from runtime.core.supervision_errors import describe
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import AnotherClusterError, StoreError, StoreUnavailableError, TablesError
from runtime.store.membership import MemberProfile
from runtime.store.port import AppStore

LOGGER = logging.getLogger("postroom.store")

END_SECONDS = 5.0
"""How long a stop waits for the database to note that it is one."""


class LeaseKeeper:
    """The work of the `store` part.

    When the session that shows that this process lives is lost, it is made again. If others took it for dead meanwhile,
    what it knows is stale: the error ends it.
    """

    def __init__(
        self,
        store: AppStore,
        incarnation: UUID,
        profile: MemberProfile,
        tables: Sequence[str],
        *,
        settle: Callable[[], Awaitable[None]],
        unclean: Callable[[], Collection[int]],
        wait_seconds: float,
    ) -> None:
        self._store = store
        self._incarnation = incarnation
        self._profile = profile
        self._tables = tables
        self._settle = settle
        self._unclean = unclean
        self._wait_seconds = wait_seconds
        self._epoch = 0
        self.refused = asyncio.Event()
        """Set when the address leads to another cluster than before."""
        self.refusal: AnotherClusterError | None = None
        self.ready = False
        self.waiting_for: str | None = "starting: the database is not open yet"

    async def open(self) -> None:
        """Open the store, become a member and take a share of the shards. Waits for a server that is away.

        Raises:
            StoreUnavailableError: the database could not be reached for `wait_seconds`.
            StoreError: it cannot be used.
        """
        await self._enter()
        if not self.ready:
            await self._create_tables()
            await self._settle()
            self.ready = True
        self.waiting_for = None

    async def close(self) -> None:
        """Leave the others, now that everything has come to its end, and close the store.

        A process that stops before what an earlier crash left has passed leaves that to the next owner.
        """
        try:
            if self.ready:
                async with asyncio.timeout(END_SECONDS):
                    await self._store.leave(unclean=self._unclean())
        except (StoreError, TimeoutError) as error:
            LOGGER.warning("whoever comes next will look into a crash that was none: %s", describe(error))
        finally:
            await self._store.close()

    async def run(self) -> None:
        """Keep the session for ever."""
        while True:
            reason = await self._store.wait_lease_lost()
            self.waiting_for = f"the lease was lost: {reason}"
            LOGGER.warning("the session that holds the lease is gone (%s); acquiring it again", reason)
            await self._rejoin()
            self.waiting_for = None

    def detail(self) -> str | None:
        return self.waiting_for or f"lease held in epoch {self._epoch}"

    async def _enter(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        said = False
        while True:
            try:
                await self._store.open()
                await self._join()
            except StoreUnavailableError as error:
                self.waiting_for = f"starting: {error}"
                if asyncio.get_running_loop().time() >= deadline:
                    raise StoreUnavailableError(f"{error}; check that the server runs where --database says") from error
                if not said:
                    LOGGER.warning("%s; it is tried again for %g s", error, self._wait_seconds)
                    said = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _create_tables(self) -> None:
        try:
            await self._store.database.run_scripts(self._tables, lock="postroom tables")
        except StoreError:
            raise
        except Exception as error:
            raise TablesError(f"App.tables: the database refused the SQL ({describe(error)})") from error

    async def _rejoin(self) -> None:
        while True:
            try:
                await self._join()
            except AnotherClusterError as error:
                self.refusal = error
                self.refused.set()
                raise
            except StoreUnavailableError as error:
                self.waiting_for = str(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _join(self) -> None:
        self._epoch = (await self._store.join(self._incarnation, self._profile)).epoch
