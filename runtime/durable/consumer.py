"""What the backlog feeds."""

from __future__ import annotations

from typing import Protocol

from runtime.store.records import Entry


class Consumer(Protocol):
    """A service that takes entries."""

    def push(self, entry: Entry) -> None: ...

    def pump(self) -> None: ...

    async def learn_holds(self) -> None:
        """Find out what is held back of entries that are about to be pushed."""
        ...
