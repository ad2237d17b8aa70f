"""What people may see and do of a service: the states of its actors, and the tenants that it parks."""

from __future__ import annotations

from typing import Protocol

import msgspec

from runtime.core.breaker import BreakerView
from runtime.store.records import StoredState


class ParkedTenant(msgspec.Struct, frozen=True):
    """A tenant that has failed lately in a service, parked or not."""

    service: str
    breaker: BreakerView


class ServiceOperations(Protocol):
    """Of an app that runs."""

    async def state(self, service: str, tenant: str, key: str) -> StoredState:
        """The durable state of an actor, as it is on disk.

        Raises:
            UnknownServiceError: no service has that name.
            NotFoundError: its actors have no durable state, or this one has none yet.
        """
        ...

    def breakers(self, service: str | None = None) -> list[ParkedTenant]:
        """Tenants with failures lately, of one service or of all. Raises UnknownServiceError."""
        ...

    async def resume(self, service: str, tenant: str, *, by: str) -> None:
        """Let a parked tenant go on at once; noted in the audit.

        Raises:
            UnknownServiceError: no service has that name.
            ConflictError: the tenant is not parked there.
        """
        ...
