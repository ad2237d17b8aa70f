"""The durable path under load: the app, the events and the server that its benchmarks share."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from actors import Actor
from bench.case import PROCESS_STATUS, Measurement, Metric, Value
from runtime import App, Enqueue, Running, Settings
from runtime.embedded import EmbeddedServer

SERVICE = "work"
TENANTS = [f"tenant-{number}" for number in range(10)]
PAYLOAD_BYTES = 200
CHUNK = 100
"""Events that share a slot's turn, as a user with small handlers would set it."""
CALL = 2_000
"""Events to one call of `enqueue_many`."""
PRODUCERS = 4
"""Tasks that call it, so that events are made while others are written."""
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


class Work(msgspec.Struct, frozen=True):
    """An event whose payload has PAYLOAD_BYTES."""

    number: int
    filler: str


FIRST = 100_000_000
"""Numbers start here, so that each takes as many bytes."""
FILLER = "x" * (PAYLOAD_BYTES - len(msgspec.json.encode(Work(FIRST, ""))))


class Gate:
    """Holds the handlers back until it is opened, so that events wait."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        """Set once a handler waits at it."""
        self.open = False

    def release(self) -> None:
        self.open = True
        self.opened.set()


class Worker(Actor):
    """Does nothing, once the gate is open."""

    gate: Gate

    async def work(self, message: Work) -> None:
        del message
        if not Worker.gate.open:
            Worker.gate.reached.set()
            await Worker.gate.opened.wait()


def make_app(actor: type[Actor] = Worker, *, tables: str | None = None, **settings: Any) -> App:
    """An app of one service, whose gate is closed. To be called on a running loop."""
    Worker.gate = Gate()
    app = App("bench")
    if tables:
        app.tables(tables)
    app.service(SERVICE, actor, **settings)
    return app


def events(count: int) -> Iterator[Enqueue]:
    """Events of 200 bytes, in turn for each tenant."""
    tenants = len(TENANTS)
    for number in range(count):
        yield Enqueue(message=Work(FIRST + number, FILLER), tenant=TENANTS[number % tenants])


async def fill(app: App, count: int, *, producers: int = PRODUCERS) -> float:
    """Enqueue events in bulk; returns how many a second."""
    began = time.perf_counter()
    rest = events(count)  # shared: each takes the next ones

    async def produce() -> None:
        while call := list(islice(rest, CALL)):
            await app.enqueue_many(SERVICE, call)

    await asyncio.gather(*(produce() for _ in range(producers)))
    return count / (time.perf_counter() - began)


async def drain(started: Running, count: int) -> float:
    """Open the gate and wait until all events have their outcome on disk; returns how many a second."""
    began = time.perf_counter()
    Worker.gate.release()
    await started.wait_idle(SERVICE)
    return count / (time.perf_counter() - began)


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[str]:
    """The URL of a fresh embedded server."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        await server.start()
        dsn = server.dsn()
        try:
            yield f"postgresql://{dsn.user}@/{dsn.database}?host={quote(dsn.host)}&port={dsn.port}"
        finally:
            await server.stop()


@contextlib.asynccontextmanager
async def running(app: App, url: str) -> AsyncIterator[Running]:
    async with app.running(Settings(database=url)) as started:
        yield started


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where the system does not tell."""
    if not PROCESS_STATUS.exists():
        return 0
    found = _RESIDENT.search(PROCESS_STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024


def measurement(metrics: dict[str, tuple[float, str]], **settings: Value) -> Measurement:
    """Metrics by name as (value, unit), with what they depend on."""
    common: dict[str, Value] = {"database": "embedded", "payload_bytes": PAYLOAD_BYTES, "tenants": len(TENANTS)}
    return Measurement([Metric(name, value, unit) for name, (value, unit) in metrics.items()], {**common, **settings})
