"""Sagas of three steps whose services do nothing, from their start to an end on disk."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process

from bench.case import Measurement
from bench.durable import CHUNK, database, measurement, running
from bench.loops import loop_name, run_on
from bench.peers import measure_dbos
from bench.sagas_load import make_app, require_ended, run_sagas

QUESTION = "How many sagas of three steps a second are run to a recorded end, beside DBOS?"

PROCESSES = 2


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(1_000 if quick else 20_000, quick=quick))


async def _measure(count: int, *, quick: bool) -> Measurement:
    rate, rate_of_two = await _rate(count), await _rate_of_processes(count)
    async with database() as url:
        peer = await measure_dbos(url, quick=quick)
    metrics = {"rate": (rate, "sagas/s"), "rate_of_two": (rate_of_two, "sagas/s")}
    note = "skipped: dbos is not installed"
    if peer is not None:
        note = "dbos"
        metrics |= {"peer_rate": (peer, "workflows/s"), "ratio": (rate / peer, "x")}
    return measurement(metrics, loop=loop_name(), sagas=count, steps=3, service_chunk=CHUNK, peer=note)


async def _rate(count: int) -> float:
    app, sagas = make_app()
    async with database() as url, running(app, url) as started:
        began = time.perf_counter()
        await run_sagas(sagas, started, count)
        rate = count / (time.perf_counter() - began)
        await require_ended(sagas)
    return rate


async def _rate_of_processes(count: int) -> float:
    """The same of several processes on one database, each of which starts its part."""
    async with database() as url:
        command = [sys.executable, "-P", "-m", "bench.sagas_child", url, str(count), str(PROCESSES)]
        children = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE) for _ in range(PROCESSES)]
        await _wait(children, "ready")
        began = time.perf_counter()
        _go_on(children)
        await _wait(children, "done")
        rate = count / (time.perf_counter() - began)
        _go_on(children)
        assert not any([await child.wait() for child in children]), "a process failed; see its output above"
    return rate


async def _wait(children: list[Process], word: str) -> None:
    """Return when each of them has said a word."""
    for child in children:
        assert child.stdout is not None
        line = (await child.stdout.readline()).decode().strip()
        assert line == word, f"a process said {line!r} instead of {word!r}"


def _go_on(children: list[Process]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
