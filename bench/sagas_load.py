"""Sagas of three steps that do nothing: the app, and the load that its benchmark puts on one process or on several."""

from __future__ import annotations

import asyncio

import msgspec

from actors import Actor
from bench.durable import CHUNK, TENANTS
from runtime import App, Running
from sagas import Flow, SagaFilter, Sagas

SERVICE = "nothing"
STARTERS = 200
"""Tasks that start sagas, in each process."""


class Nothing(msgspec.Struct, frozen=True):
    number: int


class Idler(Actor):
    """Does nothing, and says so."""

    async def work(self, message: Nothing) -> int:
        return message.number


def make_app() -> tuple[App, Sagas]:
    app = App("bench")
    app.service(SERVICE, Idler, chunk_size=CHUNK)
    sagas = Sagas(app)
    sagas.register(three_steps().definition(result="c"))
    return app, sagas


def three_steps() -> Flow:
    """Each step is told what the one before it answered."""
    return (
        Flow("three")
        .step("a", SERVICE, "{number: input.n}", output="a")
        .step("b", SERVICE, "{number: a}", output="b")
        .step("c", SERVICE, "{number: b}", output="c")
    )


async def run_sagas(sagas: Sagas, started: Running, count: int) -> None:
    """Start so many, and return when nothing is left to do."""
    numbers = iter(range(count))

    async def start() -> None:
        for number in numbers:
            await sagas.start("three", {"n": number}, tenant=TENANTS[number % len(TENANTS)])

    await asyncio.gather(*(start() for _ in range(STARTERS)))
    await wait_idle(started)


async def wait_idle(started: Running) -> None:
    """Return when neither the sagas nor their steps have anything left to do."""
    last_seq = -1
    while last_seq != started.last_seq:
        last_seq = started.last_seq
        await started.wait_idle("sagas")
        await started.wait_idle(SERVICE)


async def require_ended(sagas: Sagas) -> None:
    assert await sagas.list(SagaFilter(status="running")) == [], "every saga has come to its end"
