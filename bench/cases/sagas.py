"""Sagas of three steps whose services do nothing, from their start to an end on disk."""

from __future__ import annotations

import asyncio
import time

import msgspec

from actors import Actor
from bench.case import Measurement
from bench.durable import CHUNK, TENANTS, database, measurement, running
from bench.loops import loop_name, run_on
from bench.peers import measure_dbos
from runtime import App, Running
from sagas import Flow, SagaFilter, Sagas

QUESTION = "How many sagas of three steps a second are run to a recorded end, beside DBOS?"

SERVICE = "nothing"
STARTERS = 200
"""Tasks that start sagas."""


class Nothing(msgspec.Struct, frozen=True):
    number: int


class Idler(Actor):
    """Does nothing, and says so."""

    async def work(self, message: Nothing) -> int:
        return message.number


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(1_000 if quick else 20_000, quick=quick))


async def _measure(count: int, *, quick: bool) -> Measurement:
    rate = await _rate(count)
    async with database() as url:
        peer = await measure_dbos(url, quick=quick)
    metrics = {"rate": (rate, "sagas/s")}
    note = "skipped: dbos is not installed"
    if peer is not None:
        note = "dbos"
        metrics |= {"peer_rate": (peer, "workflows/s"), "ratio": (rate / peer, "x")}
    return measurement(metrics, loop=loop_name(), sagas=count, steps=3, service_chunk=CHUNK, peer=note)


async def _rate(count: int) -> float:
    app = App("bench")
    app.service(SERVICE, Idler, chunk_size=CHUNK)
    sagas = Sagas(app)
    sagas.register(three_steps().definition(result="c"))
    async with database() as url, running(app, url) as started:
        began = time.perf_counter()
        numbers = iter(range(count))

        async def start() -> None:
            for number in numbers:
                await sagas.start("three", {"n": number}, tenant=TENANTS[number % len(TENANTS)])

        await asyncio.gather(*(start() for _ in range(STARTERS)))
        await wait_idle(started)
        rate = count / (time.perf_counter() - began)
        assert await sagas.list(SagaFilter(status="running")) == []
    return rate


def three_steps() -> Flow:
    """Each step is told what the one before it answered."""
    return (
        Flow("three")
        .step("a", SERVICE, "{number: input.n}", output="a")
        .step("b", SERVICE, "{number: a}", output="b")
        .step("c", SERVICE, "{number: b}", output="c")
    )


async def wait_idle(started: Running) -> None:
    """Return when neither the sagas nor their steps have anything left to do."""
    last_seq = -1
    while last_seq != started.last_seq:
        last_seq = started.last_seq
        await started.wait_idle("sagas")
        await started.wait_idle(SERVICE)
