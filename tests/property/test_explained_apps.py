"""What `explain` says of a whole app is true: a cause is taken away as people would, and it is seen what happens."""

from __future__ import annotations

import asyncio
from random import Random
from typing import ClassVar
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, Backoff, RetryPolicy
from runtime import App, Settings, testing
from runtime.core.explanation import Cause
from runtime.core.policy import FIELDS, Policy, Scope
from runtime.core.profile import SchedulingProfile
from tests.property.cases import cases

ENDS = {"turn", "key-order", "service-slots", "process-slots", "in-log", "flow-control"}
"""Causes that go when what runs comes to its end."""
OF_THE_LINE = {"turn", "key-order", "in-log", "flow-control"}
"""Causes that go, too, when others before it start, or fail and wait for their next attempt."""
TENANTS = ("a", "b")
WINDOW = 10
STEPS = 300
TURNS = 30
"""Of the loop, after which nothing is left to do."""


class Job(msgspec.Struct):
    number: int
    fails: bool = False


class Worker(Actor):
    """Works until it is told to end."""

    gates: ClassVar[dict[int, asyncio.Event]]
    """Of what runs, the longest at it first."""
    started: ClassVar[set[int]]
    open: ClassVar[bool]
    """Whether nothing waits any more, as the case is over."""

    async def work(self, job: Job) -> None:
        if job.fails and self.ctx.attempt == 1:
            raise TimeoutError
        Worker.started.add(job.number)
        gate = Worker.gates[job.number] = asyncio.Event()
        if not Worker.open:
            await gate.wait()
        del Worker.gates[job.number]


class World(msgspec.Struct):
    """A random moment of an app: what is set, what was enqueued, and what people did then."""

    slots: int
    examined: int | None
    policies: dict[Scope, Policy]
    jobs: list[tuple[str, str | None, bool, float]]
    """Tenant, key, whether the first attempt fails, and the delay."""
    holds: dict[Scope, Policy]

    def app(self) -> App:
        app = App("explained")
        retry = RetryPolicy(attempts=3, backoff=Backoff(max_seconds=60, jitter=0))
        app.service("work", Worker, slots=self.slots, retry=retry)
        app.profile(SchedulingProfile(examined_entries=self.examined))
        for scope, policy in self.policies.items():
            set_here = {field: value for field in FIELDS if (value := getattr(policy, field)) is not None}
            if scope.tenant is None:
                app.limits(scope.service, **set_here)
            else:
                app.tenant(scope.tenant, service=scope.service, **set_here)
        return app


def policies() -> st.SearchStrategy[dict[Scope, Policy]]:
    caps = st.builds(Policy, slots=st.sampled_from([None, 1, 2]))
    throttled = st.builds(
        Policy, slots=st.sampled_from([None, 2]), daily_quota=st.just(1), overflow=st.just("throttle")
    )
    strategies: dict[Scope, st.SearchStrategy[Policy]] = {Scope(): st.builds(Policy, slots=st.sampled_from([None, 2]))}
    for tenant in TENANTS:
        strategies[Scope(None, tenant)] = caps | throttled
        strategies[Scope("work", tenant)] = caps
    return st.fixed_dictionaries(strategies)


def worlds() -> st.SearchStrategy[World]:
    held = st.builds(Policy, state=st.sampled_from([None, None, "paused", "quarantined"]))
    jobs = st.tuples(
        st.sampled_from("aab"),
        st.sampled_from([None, "k", "l"]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([0.0, 0.0, 0.0, 60.0]),
    )
    return st.builds(
        World,
        slots=st.sampled_from([1, 2, 4]),
        examined=st.sampled_from([None, 2]),
        policies=policies(),
        jobs=st.lists(jobs, min_size=4, max_size=40),
        holds=st.fixed_dictionaries(dict.fromkeys((Scope(None, "a"), Scope("work", "b"), Scope("work")), held)),
    )


class Moment:
    """The running app, and an event of it."""

    def __init__(self, world: World, app: App, kit: testing.Kit) -> None:
        self.world = world
        self.app = app
        self.kit = kit
        self.ids: list[UUID] = []

    async def come_about(self) -> None:
        for number, (tenant, key, fails, delay) in enumerate(self.world.jobs):
            self.ids.append(
                await self.app.enqueue("work", Job(number, fails), tenant=tenant, key=key, delay_seconds=delay)
            )
        await self.settle()
        for scope, policy in self.world.holds.items():
            await self._set(scope, policy)
        await self.kit.running.policies.follow()
        await self.settle()

    async def settle(self) -> None:
        machinery, turns = self.kit.running.machinery, TURNS
        while turns or machinery.journal.waiting or machinery.journal.unrecorded:
            turns = max(0, turns - 1)
            await asyncio.sleep(0)
            due = await self.kit.running.store.next_due()
            if due is not None and due <= self.kit.clock.now():
                machinery.delays.look()
                turns = TURNS

    async def causes(self, number: int) -> list[Cause]:
        found = await self.kit.running.operations.tenants.explain(self.ids[number])
        return list(dict.fromkeys(reason.cause for reason in found.reasons))

    async def remove(self, cause: Cause, number: int, *, alone: bool) -> None:
        """Take away what is in the way as an operator does, or by the end of what has run longest."""
        tenant = self.world.jobs[number][0]
        if cause == "hold":
            for scope in (Scope(None, tenant), Scope("work", tenant)):
                await self._set(scope, Policy(state="active"))
        elif cause == "service-held":
            await self._set(Scope("work"), Policy(state="active"))
        elif cause == "tenant-cap":
            for scope in (Scope(None, tenant), Scope("work", tenant)):
                await self._set(scope, Policy(slots=1000))
        elif cause == "quota":
            await self._set(Scope(None, tenant), Policy(overflow="refuse"))
        elif cause == "backoff":
            await self._let_time_pass(self.ids[number])
        else:
            assert cause in ENDS, cause
            await self.end_one(alone=alone)
        await self.settle()

    async def end_one(self, *, alone: bool) -> None:
        """Let what has run longest end, or, where nothing runs, what an earlier attempt waits for come. Nothing else
        is in the way if it is `alone`."""
        if Worker.gates:
            next(iter(Worker.gates.values())).set()
            return
        due = await self.kit.running.store.next_due()
        if due is not None:
            self.kit.clock.move_to(due)
        else:
            assert not alone, "nothing runs and nothing comes"

    async def _let_time_pass(self, event: UUID) -> None:
        due = (await self.kit.running.operations.jobs.job(event)).due_at
        assert due is not None
        self.kit.clock.move_to(due)

    async def _set(self, scope: Scope, policy: Policy) -> None:
        await self.kit.running.policies.change(scope, policy, by="test")
        await self.kit.running.policies.follow()


async def check(world: World, pick: Random) -> None:
    Worker.gates, Worker.started, Worker.open = {}, set(), False
    app = world.app()
    async with testing.app(app, Settings(window=WINDOW)) as kit:
        moment = Moment(world, app, kit)
        try:
            await moment.come_about()
            waiting = [number for number in range(len(world.jobs)) if number not in Worker.started]
            if waiting:
                await explained(moment, pick.choice(waiting), pick)
        finally:
            Worker.open = True
            for gate in Worker.gates.values():
                gate.set()


async def explained(moment: Moment, number: int, pick: Random) -> None:
    for _ in range(STEPS):
        causes = await moment.causes(number)
        assert causes, "it waits, and nothing is stated"
        cause = pick.choice(causes)
        await moment.remove(cause, number, alone=ENDS.issuperset(causes))
        started = number in Worker.started
        if cause not in ENDS:
            now = await moment.causes(number)
            assert cause not in now, "it was taken away, and is stated still"
            others = [each for each in causes if each not in {cause, *OF_THE_LINE}]
            assert not (started and others), f"it started although {others} were stated, and only {cause} went"
        if started:
            assert not await moment.causes(number)
            return
    raise AssertionError(f"it never started: {causes}")


@settings(max_examples=cases(60), deadline=None)
@given(world=worlds(), seed=st.integers(0, 2**16))
def test_an_event_starts_when_all_that_is_stated_is_gone_and_not_before(world: World, seed: int) -> None:
    asyncio.run(check(world, Random(seed)))
