"""A chunk that has ended is freed at once: the cyclic garbage collector has nothing to do on the hot path."""

from __future__ import annotations

import gc

import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue
from runtime.durable.chunk import ChunkRun
from tests.apps import run
from tests.postgres import Server


class Step(msgspec.Struct):
    n: int


class Stepper(Actor):
    async def step(self, step: Step) -> None: ...


def chunks() -> list[ChunkRun]:
    """All of this process, those included that other tests still hold."""
    return [each for each in gc.get_objects() if isinstance(each, ChunkRun)]


@pytest.mark.parametrize("chunk_size", [1, 10])
async def test_chunks_leave_nothing_for_the_cyclic_garbage_collector(database: Server, chunk_size: int) -> None:
    app = App("test")
    app.service("steps", Stepper, chunk_size=chunk_size)
    async with run(app, database) as running:
        gc.collect()
        before = {id(each) for each in chunks()}
        gc.disable()
        try:
            await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t") for n in range(200)])
            await running.wait_idle("steps")
            left = [each for each in chunks() if id(each) not in before]
        finally:
            gc.enable()
    assert len(left) <= 1
