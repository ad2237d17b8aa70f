"""Events that wait, through handlers that write a row each in the transaction of the event."""

from __future__ import annotations

from bench.case import Measurement
from bench.durable import CHUNK, Work, Worker, database, drain, fill, make_app, measurement, running
from bench.loops import loop_name, run_on

QUESTION = "How many waiting events a second are handled when each writes a row through self.db?"
TABLE = "CREATE TABLE IF NOT EXISTS effect (event uuid PRIMARY KEY, number bigint NOT NULL)"
WRITE = "INSERT INTO effect (event, number) VALUES ($1, $2)"


class Writer(Worker):
    """Writes one row."""

    async def work(self, message: Work) -> None:
        await super().work(message)
        await self.db.execute(WRITE, self.ctx.event_id, message.number)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(3_000 if quick else 30_000))


async def _measure(count: int) -> Measurement:
    async with database() as url, running(app := make_app(Writer, tables=TABLE, chunk_size=CHUNK), url) as started:
        await fill(app, count)
        rate = await drain(started, count)
        written = await started.database.fetchval("SELECT count(*) FROM effect")
    assert written == count, f"{written} rows of {count} events"
    return measurement({"rate": (rate, "events/s")}, loop=loop_name(), events=count, service_chunk=CHUNK)
