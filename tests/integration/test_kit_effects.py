"""The testing kit and what waits for time elsewhere than in the log: held keys, parked tenants; and durable states."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors import Actor, Breaker, Request, RetryOrder, RetryPolicy
from runtime import App, Enqueue, testing


class Step(msgspec.Struct):
    n: int


class Count(Request[int]):
    pass


class Tally(msgspec.Struct):
    count: int = 0


class Counter(Actor):
    state: Tally
    down: ClassVar[bool] = False

    async def step(self, _: Step) -> None:
        self.state.count += 1
        if Counter.down:
            raise RuntimeError("its destination is down")

    async def count(self, _: Count) -> int:
        return self.state.count


async def test_a_held_key_waits_for_the_tests_own_time() -> None:
    app = App("test")
    retry = RetryPolicy(intervals=(60.0,), order=RetryOrder.STRICT)
    app.service("steps", Counter, keyed=True, retry=retry)
    async with testing.app(app) as kit:
        kit.fail("steps", Step, OSError("away"), times=1)
        await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t", key="k") for n in range(3)])
        await kit.pass_time(59)
        assert [handled.attempt for handled in kit.handled("steps")] == [1]
        await kit.pass_time(2)
        assert [handled.attempt for handled in kit.handled("steps")] == [1, 2, 1, 1]
        assert await app.ref("steps", tenant="t", key="k").ask(Count()) == 3


async def test_a_parked_tenant_is_tried_again_in_the_tests_own_time() -> None:
    app = App("test")
    retry = RetryPolicy(attempts=1)
    app.service("steps", Counter, keyed=True, slots=1, retry=retry, breaker=Breaker(window=3, pause_seconds=100.0))
    Counter.down = True
    async with testing.app(app) as kit:
        await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="t", key="k") for n in range(10)])
        await kit.pass_time(99)
        assert len(kit.handled("steps")) == 3
        Counter.down = False
        await kit.pass_time(2)
        assert len(kit.handled("steps")) == 10
        assert await app.ref("steps", tenant="t", key="k").ask(Count()) == 7
