"""Random trees under random faults: real supervisors on virtual time do what OTP's rules say.

`POSTROOM_CASES` sets how many cases are tried; a full run takes 10,000.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.errors import PostroomError
from actors.spec import Restart
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor
from tests.property import supervision_model as model
from tests.property.cases import cases
from tests.property.supervision_world import REASONS, Pair, Worker
from tests.unit.supervisor_suite.virtual_time import VirtualTimeLoop, assert_alone

DURATIONS = (0.0, 0.31, 0.73, 1.37, 2.71)
PAUSES = (0.0, 0.17, 2.3, 6.1)
DEADLINES = (math.inf, 3.3, 0.0)

digits = st.lists(st.integers(0, 2**20), min_size=1, max_size=12)
numbers = st.integers(0, 2**10)
KINDS = ("exit", "exit", "exit", "fail", "slow start", "slow stop", "pause", "add", "terminate", "restart", "delete")
steps = st.lists(st.tuples(st.sampled_from(KINDS), numbers, numbers), max_size=14)
many = settings(max_examples=cases(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Case:
    """Does the same to the model and to the real tree."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.requests: list[asyncio.Task[bool]] = []

    async def do(self, kind: str, which: int, how: int) -> None:
        nodes = list(self.pair.root.tree())
        node = nodes[which % len(nodes)]
        if kind == "pause":
            self.pair.world.now += PAUSES[how % len(PAUSES)]
        elif kind == "add":
            self.add(node, how)
        elif isinstance(node, model.Leaf) and kind in {"exit", "fail", "slow start", "slow stop"}:
            self.trouble(kind, node, how)
        elif kind in {"terminate", "restart", "delete"} and node.above is not None:
            self.request(kind, node)

    def trouble(self, kind: str, leaf: model.Leaf, how: int) -> None:
        worker = self.pair.real[leaf.name]
        assert isinstance(worker, Worker)
        if kind == "fail":
            leaf.failing_starts = worker.failing_starts = how % 4
        elif kind == "slow start":
            leaf.start_takes = worker.start_takes = DURATIONS[how % len(DURATIONS)]
        elif kind == "slow stop":
            leaf.stop_takes = worker.stop_takes = DURATIONS[how % len(DURATIONS)]
        elif worker.alive:
            reason = REASONS[how % len(REASONS)]
            worker.exit(reason)
            self.exited(leaf, normal=how % len(REASONS) < 2)

    def exited(self, leaf: model.Leaf, *, normal: bool) -> None:
        assert leaf.up
        assert leaf.above is not None
        leaf.above.exited(leaf, normal=normal)

    def add(self, node: model.Node, how: int) -> None:
        leaf = self.pair.shape.leaf(list(Restart)[how % 3])
        leaf.failing_starts = how // 3 % 2
        leaf.start_takes = DURATIONS[how // 6 % len(DURATIONS)]
        if isinstance(node, model.Sup):
            real = self.pair.real[node.name]
            assert isinstance(real, Supervisor)
            self.expect(real.add_child(self.pair.spec(leaf)), self.attempt(node, leaf))
        elif isinstance(node, model.Crowd):
            crowd = self.pair.real[node.name]
            assert isinstance(crowd, DynamicSupervisor)
            self.pair.make_worker(leaf)
            self.expect(crowd.start_child(leaf), self.attempt(node, leaf))

    def attempt(self, node: model.Sup | model.Crowd, leaf: model.Leaf) -> bool:
        try:
            return node.add(leaf)
        except model.RefusedError:
            return False

    def request(self, kind: str, node: model.Node) -> None:
        above = node.above
        assert above is not None
        real = self.pair.real[above.name]
        if isinstance(above, model.Crowd):
            assert isinstance(real, DynamicSupervisor)
            assert isinstance(node, model.Leaf)
            self.expect(real.terminate_child(node.name), expected=True)
            above.terminate(node)
            return
        assert isinstance(real, Supervisor)
        does = {"terminate": above.terminate, "restart": above.start_again, "delete": above.delete}[kind]
        asks = {"terminate": real.terminate_child, "restart": real.restart_child, "delete": real.delete_child}[kind]
        try:
            expected = does(node) is not False
        except model.RefusedError:
            expected = False
        self.expect(asks(node.name), expected=expected)

    def expect(self, request: Awaitable[object], expected: bool) -> None:  # noqa: FBT001 # what the model said
        self.requests.append(asyncio.ensure_future(_check(request, expected)))

    async def catch_up(self) -> None:
        """Wait until the real tree has had the time that the model says it takes."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self.pair.world.now - loop.time()) + 0.001)
        self.pair.world.now = loop.time()
        assert self.pair.log == self.pair.world.log
        self.pair.check_real()
        for request in self.requests:
            assert request.done(), "a request was not answered"
            request.result()
        self.requests.clear()


async def _check(request: Awaitable[object], expected: bool) -> bool:  # noqa: FBT001 # what the model said
    met = True
    try:
        await request
    except (PostroomError, ValueError):
        met = False
    assert met is expected
    return met


async def as_the_model_says(tree: list[int], faults: list[tuple[str, int, int]], deadline: float) -> None:
    pair = Pair(tree)
    case = Case(pair)
    pair.world.now = asyncio.get_running_loop().time()
    assert pair.root.start()
    await pair.supervisor.start(pair.ends.append)
    for kind, which, how in faults:
        await case.do(kind, which, how)
        await case.catch_up()
    assert bool(pair.ends) is not pair.root.up
    if pair.root.up:
        pair.root.stop(pair.world.now + deadline)
    await pair.supervisor.stop(deadline)
    assert pair.log == pair.world.log
    pair.check_real()
    assert_alone()


@many
@given(tree=digits, faults=steps, deadline=st.sampled_from(DEADLINES))
def test_a_random_tree_does_what_otps_rules_say_whatever_goes_wrong(
    tree: list[int], faults: list[tuple[str, int, int]], deadline: float
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(as_the_model_says(tree, faults, deadline))
