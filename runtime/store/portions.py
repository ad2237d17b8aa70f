"""The part of the store port that keeps what each process holds of the limits of the deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from runtime.core.portions import Statement


class Stated(msgspec.Struct, frozen=True):
    """What all members state, as it stands together. `now` is the store's clock, in seconds."""

    version: int
    now: float
    statements: Mapping[UUID, Statement]


class PortionStore(Protocol):
    """Each method may raise `StoreUnavailableError`."""

    async def read(self) -> Stated:
        """What every member states. One that was taken for dead states nothing any more."""
        ...

    async def state(self, incarnation: UUID, statement: Statement, version: int) -> bool:
        """Replace what a member states, if it is one still and nobody has stated anything since a version.

        Where the connection is lost meanwhile, it may have been done.
        """
        ...
