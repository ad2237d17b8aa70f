"""Probes under a supervisor on a real event loop, with a clock driven by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from actors.spec import Backoff, Intensity, Strategy, Supervision
from runtime.supervision.supervisor import ChildSpec, OnExit, Supervisor
from runtime.tree import TreeNode

BOOM = ValueError("boom")
AT_ONCE = Backoff(initial_seconds=0.0)


class HandClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return 1e9 + self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Probe:
    """A child that does what the test says, and writes down what was asked of it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.start_error: BaseException | None = None
        self.start_hangs = False
        self.stop_error: BaseException | None = None
        self.stop_hangs = False
        self.on_exit: OnExit | None = None
        self.alive = False
        self.given: list[float] = []

    async def start(self, on_exit: OnExit) -> None:
        self.log.append(f"start {self.name}")
        if self.start_hangs:
            await asyncio.Event().wait()
        if self.start_error is not None:
            raise self.start_error
        self.on_exit, self.alive = on_exit, True

    async def stop(self, shutdown_seconds: float) -> None:
        self.log.append(f"stop {self.name}")
        self.given.append(shutdown_seconds)
        if self.stop_hangs and shutdown_seconds > 0:
            await asyncio.Event().wait()
        self.alive = False
        if self.stop_error is not None:
            raise self.stop_error

    def node(self) -> TreeNode:
        return TreeNode(name=self.name, kind="part", state="busy", since=0.0, detail="fine")

    def exit(self, reason: BaseException | None = BOOM, *, explained: bool = False) -> None:
        assert self.on_exit is not None
        self.alive = False
        self.on_exit(reason, explained=explained)


class Scene:
    """A supervisor over probes a, b and c."""

    def __init__(
        self,
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 3,
        backoff: Backoff = AT_ONCE,
        shutdown_seconds: float = 5.0,
    ) -> None:
        self.log: list[str] = []
        self.clock = HandClock()
        self.supervision = Supervision(backoff=backoff, shutdown_seconds=shutdown_seconds)
        self.probes = [Probe(name, self.log) for name in "abc"]
        self.a, self.b, self.c = self.probes
        self.gave_up: list[BaseException | None] = []
        self.supervisor = Supervisor(
            "root",
            [ChildSpec(probe, self.supervision) for probe in self.probes],
            strategy=strategy,
            intensity=Intensity(max_restarts=max_restarts),
            clock=self.clock,
            random=Random(1),
        )

    async def start(self) -> Scene:
        await self.supervisor.start(self.gave_up.append)
        self.log.clear()
        return self

    def alive(self) -> str:
        return "".join(probe.name for probe in self.probes if probe.alive)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # conditions of many kinds, each a few turns of the loop away
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not {task.get_name() for task in left if task.get_name().startswith(("supervisor", "task-child"))}
