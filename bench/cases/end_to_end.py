"""Events that wait, through handlers that do nothing, to outcomes on disk."""

from __future__ import annotations

from bench.case import Measurement
from bench.durable import CHUNK, database, drain, fill, make_app, measurement, running
from bench.loops import loop_name, run_on
from bench.peers import measure_pgqueuer

QUESTION = "How many waiting events a second are handled to a recorded outcome, beside PgQueuer?"

DEFAULT_CHUNK = 1
"""What a service has that says nothing."""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(10_000 if quick else 100_000, quick=quick))


async def _measure(count: int, *, quick: bool) -> Measurement:
    chunked = await _rate(count, CHUNK)
    default = await _rate(count, DEFAULT_CHUNK)
    async with database() as url:
        peer = await measure_pgqueuer(url, quick=quick)
    metrics = {"rate": (chunked, "events/s"), "rate_default": (default, "events/s")}
    note = "skipped: pgqueuer is not installed"
    if peer is not None:
        note = "pgqueuer"
        metrics |= {"peer_rate": (peer, "jobs/s"), "ratio": (chunked / peer, "x")}
    return measurement(metrics, loop=loop_name(), events=count, service_chunk=CHUNK, peer=note)


async def _rate(count: int, chunk_size: int) -> float:
    async with database() as url, running(app := make_app(chunk_size=chunk_size), url) as started:
        await fill(app, count)
        return await drain(started, count)
