"""Random trees under faults and requests that overlap: what the model cannot foretell must still end well."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PostroomError
from actors.spec import Backoff, Restart
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor
from tests.property.supervision_world import AT_ONCE, REASONS, Pair, Worker
from tests.property.test_supervision_trees import DEADLINES, DURATIONS, digits, many, numbers
from tests.unit.supervisor_suite.virtual_time import VirtualTimeLoop, assert_alone

PATIENT = Backoff(initial_seconds=0.5, max_seconds=4.0)
HANGS = (*DURATIONS, math.inf)
LONG_SECONDS = 1000.0
TROUBLES = {"exit", "fail", "slow start", "slow stop"}
ANSWERS = (PostroomError, ValueError, asyncio.CancelledError)
KINDS = ("exit", "exit", "exit", "fail", "slow start", "slow stop", "pause", "add", "terminate", "restart", "delete")
storms = st.lists(st.tuples(st.sampled_from((*KINDS, "cancel", "stop")), numbers, numbers), max_size=40)


class Storm:
    """Does things to a real tree without waiting for what becomes of them."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.requests: list[asyncio.Future[object]] = []

    async def do(self, kind: str, which: int, how: int) -> None:
        if kind == "pause":
            await asyncio.sleep(DURATIONS[how % len(DURATIONS)])
        elif kind == "stop":
            if how % 8 == 0:
                self.ask(self.pair.supervisor.stop(DEADLINES[how // 8 % len(DEADLINES)]))
        elif kind == "cancel":
            if self.requests:
                self.requests[which % len(self.requests)].cancel()
        elif kind in TROUBLES:
            workers = [each for each in self.pair.real.values() if isinstance(each, Worker)]
            if workers:
                self.trouble(kind, workers[which % len(workers)], how)
        else:
            above = [each for each in self.pair.real.values() if not isinstance(each, Worker)]
            self.request(kind, above[which % len(above)], how)

    def trouble(self, kind: str, worker: Worker, how: int) -> None:
        if kind == "fail":
            worker.failing_starts = how % 4
        elif kind == "slow start":
            worker.start_takes = HANGS[how % len(HANGS)]
        elif kind == "slow stop":
            worker.stop_takes = HANGS[how % len(HANGS)]
        elif kind == "exit" and worker.alive:
            worker.exit(REASONS[how % len(REASONS)])

    def request(self, kind: str, above: Supervisor | DynamicSupervisor[..., Worker], how: int) -> None:
        children = above.which_children()
        name = children[how % len(children)].name if children else "nobody"
        if kind == "add":
            self.add(above, how)
        elif kind == "terminate":
            self.ask(above.terminate_child(name))
        elif isinstance(above, Supervisor):
            self.ask(above.restart_child(name) if kind == "restart" else above.delete_child(name))

    def add(self, above: Supervisor | DynamicSupervisor[..., Worker], how: int) -> None:
        leaf = self.pair.shape.leaf(list(Restart)[how % 3])
        leaf.failing_starts, leaf.start_takes = how // 3 % 2, HANGS[how // 6 % len(HANGS)]
        spec = self.pair.spec(leaf)
        self.ask(above.add_child(spec) if isinstance(above, Supervisor) else above.start_child(leaf))

    def clear_up(self) -> None:
        """No start fails or hangs any more; else one could go on for ever, slowly enough for its supervisor."""
        for worker in self.pair.real.values():
            if isinstance(worker, Worker):
                worker.start_takes, worker.failing_starts = 0.0, 0

    def ask(self, request: Coroutine[Any, Any, object]) -> None:
        self.requests.append(asyncio.ensure_future(request))


async def ends_well(tree: list[int], storm: list[tuple[str, int, int]], backoff: Backoff) -> None:
    pair = Pair(tree, backoff)
    weather = Storm(pair)
    await pair.supervisor.start(pair.ends.append)
    for kind, which, how in storm:
        await weather.do(kind, which, how)
    weather.clear_up()
    await asyncio.sleep(LONG_SECONDS)
    assert all(request.done() for request in weather.requests), "a request was never answered"
    for answer in await asyncio.gather(*weather.requests, return_exceptions=True):
        assert not isinstance(answer, BaseException) or isinstance(answer, ANSWERS), answer
    pair.check_real()
    await pair.supervisor.stop(math.inf)
    pair.check_real()
    assert not any(isinstance(each, Worker) and each.alive for each in pair.real.values())
    assert_alone()


@many
@given(tree=digits, storm=storms, backoff=st.sampled_from([AT_ONCE, PATIENT]))
def test_whatever_overlaps_every_request_is_answered_and_nothing_is_left_behind(
    tree: list[int], storm: list[tuple[str, int, int]], backoff: Backoff
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(ends_well(tree, storm, backoff))
