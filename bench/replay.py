"""Replays a file of flights into the app, so that a run that was cut off is taken up where it stopped."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from uuid import UUID

import msgspec

from actors import Database, PostroomError
from bench.flights import SERVICE, SQL, Flight, app
from bench.flights_csv import FlightsFile, read_flights
from bench.pace import paced
from runtime import App, Enqueue, Running
from runtime.durable.ids import IdSource

CHUNK = 500
"""Events to one call of `enqueue_many`: few commits, and little of the file in memory."""
BY = "demo"
MAX_EVENTS = 1 << 26
HASH_BITS = 48
_VERSION_AND_VARIANT = 7 << 76 | 0b10 << 62
_LOW_ROW_BITS = 14


class ReplayInputError(PostroomError):
    """The input is not the one that the unfinished replay began with, or is too large for one replay."""


class Replay(msgspec.Struct, frozen=True):
    """One replay of one file. Its id is a UUIDv7, whose time all its events share."""

    id: UUID
    first_seq: int
    """The end of the event log when it began."""
    resumed: bool

    def event_id(self, row: int) -> UUID:
        """The id of the event for a row (from 0): the same in every run, so that enqueueing again is harmless."""
        digest = hashlib.blake2b(self.id.bytes + row.to_bytes(8, "big"), digest_size=HASH_BITS // 8).digest()
        return self._id(row, int.from_bytes(digest, "big"))

    @property
    def id_range(self) -> tuple[UUID, UUID]:
        """The least and the greatest id that its events can have."""
        return self._id(0, 0), self._id(MAX_EVENTS - 1, (1 << HASH_BITS) - 1)

    def _id(self, row: int, tail: int) -> UUID:
        """UUIDv7 with the row as its counter: ids grow as the file does (RFC 9562, section 6.2, method 1)."""
        high, low = row >> _LOW_ROW_BITS, row & ((1 << _LOW_ROW_BITS) - 1)
        milliseconds = self.id.int >> 80
        return UUID(int=milliseconds << 80 | high << 64 | low << HASH_BITS | tail | _VERSION_AND_VARIANT)


async def begin_replay(database: Database, source: FlightsFile, last_seq: int) -> Replay:
    """Take up the replay that was cut off, or begin a fresh one, which clears the app's own tables.

    Raises:
        ReplayInputError: the replay to take up is of another input.
    """
    if source.flights > MAX_EVENTS:
        raise ReplayInputError(f"{source.path} has {source.flights} flights; split it into parts of {MAX_EVENTS}")
    row = await database.fetchrow(SQL["unfinished_replay"])
    if row is not None:
        if row["input_sha256"] != source.sha256:
            raise ReplayInputError(
                f"an unfinished replay of another input is here, not of {source.path};"
                " finish it with its own --input, or use another --data or --database"
            )
        return Replay(row["id"], row["first_seq"], resumed=True)
    replay = Replay(IdSource().new_id(), last_seq, resumed=False)
    await database.execute(SQL["clear"])
    await database.execute(SQL["begin_replay"], replay.id, source.sha256, source.flights, last_seq)
    return replay


async def run_replay(
    running: Running, replay: Replay, source: FlightsFile, *, app: App = app, speed: float | None = None
) -> float:
    """Enqueue every flight and wait until each has its final outcome on disk; returns the seconds this took.

    With a `speed`, a flight is enqueued when it is due at so many times real time; else all are at once.
    """
    started = time.monotonic()
    rows = enumerate(read_flights(source.path))
    async for chunk in paced(rows, CHUNK, math.inf if speed is None else speed):
        await app.enqueue_many(SERVICE, _events(replay, chunk), by=BY)
    await running.wait_idle(SERVICE)
    seconds = time.monotonic() - started
    await running.database.execute(SQL["finish_replay"], replay.id)
    return seconds


def _events(replay: Replay, chunk: list[tuple[int, Flight]]) -> Iterator[Enqueue]:
    for row, flight in chunk:
        yield Enqueue(message=flight, tenant=flight.carrier, key=flight.aircraft, id=replay.event_id(row))
