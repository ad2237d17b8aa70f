"""What the durable path is measured against: PostgreSQL itself, without a runtime in between."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from bench.durable import FILLER, FIRST, Work
from runtime.core.lease import DEFAULT_SHARDS
from runtime.durable.ids import IdSource
from runtime.durable.journal import MAX_BATCH
from runtime.store.postgres.columns import EVENT_COLUMNS, event_values
from runtime.store.postgres.pool import Address, Connection, connect
from runtime.store.records import Event
from runtime.store.sql import DEFAULT_SCHEMA

COPY_BATCH = MAX_BATCH
"""Rows to one COPY and commit: as many as a commit of the journal has."""
QUEUES = range(1_000_001, 1_000_011)
"""Queues that no service has, so that nothing handles the rows."""
_SEQ = 1 << 40
"""Far above every number that the log gives."""


class Copy:
    """Raw COPY into the event log, of rows made beforehand."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids = IdSource()
        self._seq = _SEQ

    async def rate(self, count: int) -> float:
        """How many rows a second."""
        rows = [self._row(number) for number in range(count)]
        began = time.perf_counter()
        for start in range(0, count, COPY_BATCH):
            await self._connection.copy_records_to_table(
                "event_log",
                schema_name=DEFAULT_SCHEMA,
                columns=[*EVENT_COLUMNS, "seq"],
                records=rows[start : start + COPY_BATCH],
            )
        return count / (time.perf_counter() - began)

    async def commit_seconds(self, number: int) -> float:
        """How long a commit of one row takes."""
        row = self._row(number)
        began = time.perf_counter()
        await self._connection.execute(_INSERT, *row)
        return time.perf_counter() - began

    def _row(self, number: int) -> tuple[object, ...]:
        self._seq += 1
        payload = msgspec.json.encode(Work(FIRST + number, FILLER))
        event = Event(self._ids.new_id(), "", "", None, "Work", payload, time.time(), "app")
        return *event_values(event, QUEUES[number % len(QUEUES)], DEFAULT_SHARDS), self._seq


_INSERT = (
    f"INSERT INTO {DEFAULT_SCHEMA}.event_log ({', '.join(EVENT_COLUMNS)}, seq)"  # noqa: S608 # names of our own
    f" VALUES ({', '.join(f'${place}' for place in range(1, len(EVENT_COLUMNS) + 2))})"
)


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[Connection]:
    """A connection beside the app's."""
    address = Address(server=url, schema=DEFAULT_SCHEMA, application_name="postroom bench")
    connection = await connect(address, command_timeout_seconds=None)
    try:
        yield connection
    finally:
        await connection.close()
