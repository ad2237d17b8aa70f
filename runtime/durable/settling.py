"""Commits of events whose answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import CommitUnknownError, StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Batch, Entry


async def settled(store: Store, batch: Batch, commit: Awaitable[Sequence[Entry]]) -> Sequence[Entry]:
    """The places that a commit gave its events. Where the answer was lost it asks, for as long as it takes.

    To be awaited under the lock under which events are appended: what is appended later must not be admitted before.

    Raises:
        StoreUnavailableError: nothing was written.
    """
    try:
        return await commit
    except CommitUnknownError as error:
        while True:
            try:
                entries = await store.resolve(batch)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                break
        if entries is None:
            raise StoreUnavailableError(f"{error}; nothing was written") from error
        return entries
