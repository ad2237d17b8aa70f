"""Dead letters while no app runs: straight on the store."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence

import msgspec

from runtime.clock import SystemClock
from runtime.definition import Rerun
from runtime.durable.dead_letter_office import DeadLetterOffice
from runtime.durable.ids import IdSource
from runtime.durable.membership import own_label
from runtime.durable.reruns import Reruns
from runtime.embedded import SharedServer
from runtime.errors import InvalidInputError, StoreError
from runtime.opening import open_store
from runtime.operations import DeadLetterOperations
from runtime.settings import Settings
from runtime.store.membership import MemberProfile
from runtime.store.records import Entry, Event


@contextlib.asynccontextmanager
async def offline_operations(settings: Settings) -> AsyncIterator[DeadLetterOperations]:
    """Open the store of an app. What is replayed runs at once where the app runs, else at its next start.

    Raises:
        PostroomError: the database cannot be reached or used.
    """
    server = None if settings.database else SharedServer(settings.data_dir)
    store = open_store(settings, server, "offline")
    try:
        if server is not None:
            await server.start()
        await store.open()
        await store.join(uuid.uuid4(), MemberProfile(label=own_label("postroom"), passive=True))
        yield DeadLetterOffice(
            store,
            SystemClock(),
            rebuild=Rebuilder().rebuild,
            reruns=Reruns(store, lambda _service: refuse_ended),
            appending=asyncio.Lock(),
            admit=leave_to_app,
        )
    finally:
        with contextlib.suppress(StoreError):  # who runs the app finds out that it is gone
            await store.leave()
        await store.close()
        if server is not None:
            await server.stop()


def refuse_ended(rerun: Rerun) -> str | None:
    """The app's own guards are not at hand: what an actor waits for that has ended is left to them."""
    if rerun.state is None or not rerun.state.ended:
        return None
    return f"it is for {rerun.state.key} of {rerun.state.service}, which has ended; ask again while the app runs"


async def leave_to_app(_entries: Sequence[Entry]) -> None:
    """Whoever owns their shards runs them."""


class Rebuilder:
    """Makes replays without knowing the app: the payload must be JSON, its fit is found out when it runs."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._ids = IdSource(self._clock.now)

    def rebuild(self, dead: Event, payload: bytes, by: str) -> Event:
        """Raises InvalidInputError where the payload is not a JSON object."""
        try:
            msgspec.json.decode(payload, type=dict)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInputError("payload", str(error)) from None
        return msgspec.structs.replace(
            dead,
            id=self._ids.new_id(),
            payload=payload,
            accepted_at=self._clock.now(),
            enqueued_by=by,
            attempt=1,
            cause=None,
            origin=dead.id,
        )
