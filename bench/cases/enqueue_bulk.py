"""Many events to one call, until all are on disk."""

from __future__ import annotations

import statistics

from bench.case import Measurement
from bench.durable import CALL, PRODUCERS, Worker, database, fill, make_app, measurement, running
from bench.durable_limits import COPY_BATCH, Copy, raw
from bench.loops import loop_name, run_on

QUESTION = "How many events a second are accepted in bulk, beside raw COPY into the same table?"
ROUNDS = 3


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(20_000 if quick else 100_000, 1 if quick else ROUNDS))


async def _measure(count: int, rounds: int) -> Measurement:
    async with database() as url, running(app := make_app(slots=1), url), raw(url) as connection:
        copy = Copy(connection)
        await copy.rate(COPY_BATCH)
        await fill(app, CALL)
        found = [
            (await copy.rate(count), await fill(app, count), await fill(app, count, producers=1)) for _ in range(rounds)
        ]
        Worker.gate.release()
    return measurement(
        {
            "rate": (statistics.median(rate for _, rate, _ in found), "events/s"),
            "rate_alone": (statistics.median(rate for _, _, rate in found), "events/s"),
            "copy_rate": (statistics.median(limit for limit, _, _ in found), "rows/s"),
            "ratio": (statistics.median(rate / limit for limit, rate, _ in found), "x of raw COPY"),
        },
        loop=loop_name(),
        events=count,
        events_per_call=CALL,
        producers=PRODUCERS,
        copy_batch=COPY_BATCH,
    )
