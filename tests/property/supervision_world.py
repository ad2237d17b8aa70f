"""Real supervisors over real tasks on virtual time, made from the same data as the model of OTP's rules."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from actors.spec import AutoShutdown, Backoff, Intensity, Restart, Strategy, Supervision
from runtime.core.supervision_child import ChildState
from runtime.core.supervision_errors import ShutdownError
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Child, ChildSpec, OnExit, Supervisor
from runtime.tree import TreeNode
from tests.property import supervision_model as model
from tests.unit.supervisor_suite.virtual_time import VirtualClock

AT_ONCE = Backoff(initial_seconds=0.0)
REASONS: tuple[BaseException | None, ...] = (None, ShutdownError("done"), ValueError("boom"), asyncio.CancelledError())


class Worker:
    """Does as its twin in the model says; alive exactly as long as its task."""

    def __init__(self, twin: model.Leaf, log: list[str]) -> None:
        self.name = twin.name
        self.start_takes = self.stop_takes = 0.0
        self.failing_starts = 0
        self._log = log
        self._task: asyncio.Task[object] | None = None
        self._on_exit: OnExit | None = None

    @property
    def alive(self) -> bool:
        return self._task is not None

    async def start(self, on_exit: OnExit) -> None:
        assert not self.alive, f"{self.name} was started while it was alive"
        self._log.append(f"start {self.name}")
        await asyncio.sleep(self.start_takes)
        if self.failing_starts:
            self.failing_starts -= 1
            raise ValueError("no start")
        self._on_exit = on_exit
        self._task = asyncio.create_task(asyncio.Event().wait(), name=f"worker {self.name}")

    async def stop(self, shutdown_seconds: float) -> None:
        self._log.append(f"stop {self.name}")
        try:
            await asyncio.sleep(min(self.stop_takes, shutdown_seconds))
        finally:
            self._end()

    def exit(self, reason: BaseException | None) -> None:
        assert self._on_exit is not None
        self._end()
        self._on_exit(reason)

    def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def node(self) -> TreeNode:
        return TreeNode(name=self.name, kind="part", state="running", since=0.0)


class Shape:
    """Makes a model's tree from numbers, one for each node."""

    def __init__(
        self,
        world: model.World,
        digits: Iterator[int],
        *,
        supervisor: type[model.Sup] = model.Sup,
        dynamic: bool = True,
    ) -> None:
        self.world = world
        self._digits = digits
        self._supervisor = supervisor
        self._dynamic = dynamic
        self._numbers = iter(range(10_000))

    def sup(self, digit: int, depth: int) -> model.Sup:
        digit, strategy = divmod(digit, 3)
        digit, auto_shutdown = divmod(digit, 3)
        digit, max_restarts = divmod(digit, 4)
        sup = self._supervisor(
            self._name("s"),
            self.world,
            strategy=list(Strategy)[strategy],
            auto_shutdown=list(AutoShutdown)[auto_shutdown],
            max_restarts=max_restarts,
        )
        sup.specs = [self._child(each, depth, sup) for each in self._take(digit % 5)]
        return sup

    def _child(self, digit: int, depth: int, above: model.Sup) -> model.Node:
        digit, restart = divmod(digit, 3)
        digit, significant = divmod(digit, 2)
        digit, kind = divmod(digit, 6)
        node: model.Node
        if kind == 0 and depth < 3:
            node = self.sup(digit, depth + 1)
        elif kind == 1 and self._dynamic:
            node = model.Crowd(
                self._name("d"), self.world, max_restarts=digit % 3, template=list(Restart)[digit // 3 % 3]
            )
        else:
            node = model.Leaf(self._name("w"), self.world)
        node.restart = list(Restart)[restart]
        allowed = above.auto_shutdown is not AutoShutdown.NEVER and node.restart is not Restart.PERMANENT
        node.significant = allowed and bool(significant)
        return node

    def _take(self, count: int) -> Iterator[int]:
        for _ in range(count):
            if (digit := next(self._digits, None)) is not None:
                yield digit

    def _name(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    def leaf(self, restart: Restart) -> model.Leaf:
        return model.Leaf(self._name("w"), self.world, restart=restart)


Real = Supervisor | DynamicSupervisor[..., Worker]


class Pair:
    """A tree twice: `root` of the model, and `real` by name."""

    def __init__(self, digits: list[int], backoff: Backoff = AT_ONCE) -> None:
        self.backoff = backoff
        self.world = model.World()
        self.log: list[str] = []
        self.real: dict[str, Worker | Real] = {}
        self.ends: list[BaseException | None] = []
        numbers = iter(digits)
        self.shape = Shape(self.world, numbers)
        self.root = self.shape.sup(next(numbers), depth=0)
        supervisor = self._make(self.root)
        assert isinstance(supervisor, Supervisor)
        self.supervisor = supervisor

    # The real tree

    def _make(self, node: model.Node) -> Child:
        real: Any
        if isinstance(node, model.Sup):
            real = Supervisor(
                node.name,
                [self.spec(child) for child in node.specs],
                strategy=node.strategy,
                intensity=_intensity(node.max_restarts),
                auto_shutdown=node.auto_shutdown,
                clock=VirtualClock(),
                random=Random(1),
            )
            check_each_step(real)
        elif isinstance(node, model.Crowd):
            real = DynamicSupervisor(
                node.name,
                self.made,
                self.supervision(node.template),
                intensity=_intensity(node.max_restarts),
                clock=VirtualClock(),
                random=Random(1),
            )
            check_each_step(real)
        else:
            assert isinstance(node, model.Leaf)
            real = self.make_worker(node)
        self.real[node.name] = real
        return real  # type: ignore[no-any-return] # each of them is one

    def made(self, twin: model.Leaf) -> Worker:
        """What a dynamic supervisor's `make` returns: a worker that is there already."""
        worker = self.real[twin.name]
        assert isinstance(worker, Worker)
        return worker

    def make_worker(self, twin: model.Leaf) -> Worker:
        worker = self.real[twin.name] = Worker(twin, self.log)
        worker.start_takes, worker.stop_takes = twin.start_takes, twin.stop_takes
        worker.failing_starts = twin.failing_starts
        return worker

    def spec(self, node: model.Node) -> ChildSpec:
        if isinstance(node, model.Leaf):
            return ChildSpec(self._make(node), self.supervision(node.restart, significant=node.significant))
        looked_after = Supervision(
            restart=node.restart, significant=node.significant, backoff=self.backoff, shutdown_seconds=math.inf
        )
        return ChildSpec(self._make(node), looked_after)

    def supervision(self, restart: Restart, *, significant: bool = False) -> Supervision:
        return Supervision(
            restart=restart,
            significant=significant,
            backoff=self.backoff,
            start_seconds=model.START_SECONDS,
            shutdown_seconds=model.SHUTDOWN_SECONDS,
        )

    # What must hold whenever things are at rest

    def check_real(self) -> None:
        """What runs is what its supervisor says runs, down from the root; nothing else is alive."""
        alive = {name for name, each in self.real.items() if isinstance(each, Worker) and each.alive}
        assert set(self._running(self.supervisor)) == alive

    def _running(self, real: Any) -> Iterator[str]:
        assert real._machine.phase.value in {"running", "stopped", "new"}
        for record in real._machine.children.values():
            assert record.state in {ChildState.RUNNING, ChildState.DOWN}
            if record.state is ChildState.RUNNING:
                child = self.real[record.name]
                yield from [record.name] if isinstance(child, Worker) else self._running(child)


def _intensity(max_restarts: int) -> Intensity:
    return Intensity(max_restarts=max_restarts, period_seconds=model.PERIOD_SECONDS)


def check_each_step(real: Any) -> None:
    """Have the machine's invariants checked after each event."""
    machine = real._machine
    handle: Callable[..., Any] = machine.handle

    def checked(*args: Any, **kwargs: Any) -> Any:
        instructions = handle(*args, **kwargs)
        machine.validate()
        return instructions

    machine.handle = checked
