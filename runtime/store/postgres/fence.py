"""The lease as this process knows it, and what it means when the server refuses a write under it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from runtime.core.lease import Lease
from runtime.errors import LeaseLostError, StoreUnavailableError


class Gate:
    """Many pass at the same time, unless it is shut: then one is alone. `async with gate:` passes."""

    def __init__(self) -> None:
        self._inside = 0
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> None:
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._empty.clear()

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    @contextlib.asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Let nobody in, and wait until nobody is inside. One at a time."""
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()


class Fence:
    """Every write carries `arguments()`; the server compares them with the owner it has on record."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self._begun = 0
        self._under_way = 0
        self._in_doubt = 0
        """The last change of epoch begun before one ended without an answer; 0 when a later one had its answer."""
        self.gate = Gate()
        """What is written under the lease as it stood when the writing began."""

    def learn(self, lease: Lease) -> None:
        """Know a lease as the server has confirmed it. Of two that come at once the later epoch counts."""
        known = self.lease
        if known is None or known.incarnation != lease.incarnation or lease.epoch >= known.epoch:
            self.lease = lease

    def require(self) -> Lease:
        """The lease.

        Raises:
            LeaseLostError: none was acquired.
        """
        if self.lease is None:
            raise LeaseLostError("this process owns no shards; call acquire_lease() before writing")
        return self.lease

    @staticmethod
    def arguments(lease: Lease, touched: list[int] | None = None) -> tuple[UUID, int, list[int] | None]:
        """What `enter()` takes. `touched` names shards of others to which events are appended."""
        return lease.incarnation, lease.epoch, touched

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """A change of epoch. Where it ends without an answer, the server may have made it, or may make it yet."""
        self._begun += 1
        self._under_way += 1
        number = self._begun
        try:
            yield
        except LeaseLostError:
            raise
        except BaseException:
            self._in_doubt = self._begun
            raise
        else:
            if number > self._in_doubt:
                self._in_doubt = 0
        finally:
            self._under_way -= 1

    @contextlib.contextmanager
    def under(self, lease: Lease) -> Iterator[None]:
        """Tell a takeover by another process from a new epoch of our own, in which the same write can be repeated.

        Raises:
            StoreUnavailableError: the write was refused for the latter, or may have been: whoever asked for an epoch
                that came to no answer asks again.
        """
        try:
            yield
        except LeaseLostError as error:
            if not (self._under_way or self._in_doubt) and self.lease == lease:
                raise
            raise StoreUnavailableError("the lease was renewed meanwhile; nothing was written, try again") from error


def own_shards(lease: Lease) -> list[int] | None:
    """The shards of a lease as statements take them: none named for all."""
    return None if lease.whole else list(lease.shards)
