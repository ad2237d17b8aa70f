"""Gives shards up to another process, one after the other still being in order.

    hold: nothing of the shards is started -> what runs comes to its end -> its outcomes are on disk
        -> actors of their keys stop -> the store frees the shards -> what waited in memory is forgotten

Shards in which a handler runs for longer than `PATIENCE_SECONDS` go on as before, and are tried again later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from uuid import UUID

from runtime.core.sharing import choose
from runtime.errors import CommitUnknownError, StoreUnavailableError

if TYPE_CHECKING:
    from runtime.machinery import Machinery

LOGGER = logging.getLogger("postroom.members")

PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.01


class HandOver:
    """The owner's side of a move."""

    def __init__(self, machinery: Machinery, incarnation: UUID, unclean: Callable[[], Collection[int]]) -> None:
        self._machinery = machinery
        self._incarnation = incarnation
        self._unclean = unclean
        self._alone = asyncio.Lock()
        self.undecided: frozenset[int] = frozenset()
        """Shards that may or may not have been given up."""

    async def give_up(self, surplus: int, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Give up so many shards, or fewer where handlers do not end; returns how many.

        Raises:
            StoreUnavailableError: the store did not answer; `settle` is due.
        """
        async with self._alone:
            return await self._give_up(surplus, patience_seconds)

    async def _give_up(self, surplus: int, patience_seconds: float) -> int:
        chosen = choose(self._machinery.backlog.shards, self._running(), surplus)
        self._hold(chosen)
        try:
            quiet = await self._quiet(chosen, patience_seconds)
            self._resume(chosen - quiet)
            await self._machinery.journal.flush()
            for service in self._machinery.services.values():
                await service.evict(quiet)
            if quiet:
                await self._free(quiet)
        finally:
            self._resume(chosen - self.undecided)
        given = len(quiet - self._machinery.backlog.shards)
        if given:
            LOGGER.info("gave up %d of %d shards", given, self._machinery.backlog.count)
        return given

    async def settle(self) -> None:
        """Find out what became of shards whose giving up was cut short: they are held until that is known.

        Raises:
            StoreUnavailableError: to be tried again.
        """
        own = frozenset((await self._machinery.store.join(self._incarnation)).shards)
        undecided, self.undecided = self.undecided, frozenset()
        self._forget(undecided - own)
        self._resume(undecided & own)

    async def _quiet(self, shards: frozenset[int], patience_seconds: float) -> frozenset[int]:
        """Wait until nothing runs in the shards; those of them where something still does are left out."""
        deadline = asyncio.get_running_loop().time() + patience_seconds
        while True:
            quiet = shards - self._running().keys()
            if quiet == shards or asyncio.get_running_loop().time() >= deadline:
                return quiet
            await asyncio.sleep(POLL_SECONDS)

    def _running(self) -> Counter[int]:
        """In how many entries handlers are at work, by shard."""
        machinery = self._machinery
        out = [entry for service in machinery.services.values() for entry in service.runs.entries_out()]
        return Counter(machinery.backlog.shard(entry) for entry in out)

    async def _free(self, shards: frozenset[int]) -> None:
        self.undecided = shards
        try:
            await self._machinery.store.give_up_shards(shards, unclean=self._unclean())
        except CommitUnknownError:
            raise
        except StoreUnavailableError:
            self.undecided = frozenset()  # they are kept
            raise
        self._forget(shards)
        self.undecided = frozenset()

    def _forget(self, shards: frozenset[int]) -> None:
        waiting = [entry for service in self._machinery.services.values() for entry in service.forget(shards)]
        self._machinery.backlog.give_up(shards, waiting)
        self._machinery.suspects.give_up(shards)

    def _hold(self, shards: frozenset[int]) -> None:
        for service in self._machinery.services.values():
            service.hold_shards(shards)

    def _resume(self, shards: frozenset[int]) -> None:
        for service in self._machinery.services.values():
            service.resume_shards(shards)
