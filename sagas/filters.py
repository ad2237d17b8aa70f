"""Which sagas to list."""

from __future__ import annotations

import msgspec

from sagas.machine import Status


class SagaFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The highest ids first, which are the newest unless ids were chosen, at most `limit`, below the id `before`."""

    saga: str | None = None
    tenant: str | None = None
    status: Status | None = None
    limit: int = 50
    before: str | None = None
