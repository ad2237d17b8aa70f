"""The lease as this process knows it, and what it means when the server refuses a write under it."""

from __future__ import annotations

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

    def refused(self, used: Lease, error: LeaseLostError) -> Exception:
        """Tell a takeover by another process from a new epoch of our own, in which the same write can be repeated."""
        if self.renewing or (self.lease is not None and self.lease != used):
            return StoreUnavailableError("the lease was renewed meanwhile; nothing was written, it will be tried again")
        return error
