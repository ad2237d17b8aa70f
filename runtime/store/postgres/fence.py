"""The lease as this process knows it, and what it means when the server refuses a write under it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

from runtime.core.lease import Lease
from runtime.errors import LeaseLostError, StoreUnavailableError


class Fence:
    """Every write carries `arguments()`; the server compares them with the owner it has on record."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.renewing = 0
        """How many changes of epoch are under way."""

    def require(self) -> Lease:
        """The lease.

        Raises:
            LeaseLostError: none was acquired.
        """
        if self.lease is None:
            raise LeaseLostError("this process owns no shards; call acquire_lease() before writing")
        return self.lease

    @staticmethod
    def arguments(lease: Lease) -> tuple[UUID, int, int]:
        """What `enter()` takes."""
        return lease.incarnation, lease.epoch, len(lease.shards)

    @contextlib.contextmanager
    def under(self, lease: Lease) -> Iterator[None]:
        """Tell a takeover by another process from a new epoch of our own, in which the same write can be repeated.

        Raises:
            StoreUnavailableError: the write was refused for the latter.
        """
        try:
            yield
        except LeaseLostError as error:
            if not self.renewing and self.lease == lease:
                raise
            raise StoreUnavailableError("the lease was renewed meanwhile; nothing was written, try again") from error
