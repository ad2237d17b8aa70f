"""Caps and rates hold for all processes together: here each is an app with its own store, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue, Running
from runtime.core.caps import Part, of_tenant
from runtime.core.explanation import Owner
from runtime.core.lease import shard_of
from runtime.core.policy import Policy, Scope
from runtime.errors import LimitError
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server

PATIENCE_SECONDS = 20.0


class Job(msgspec.Struct):
    seconds: float = 0.002


class Deployment:
    """What the handlers of all apps are at, sampled at every start of one."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.by: Counter[str] = Counter()
        self.caps: dict[str, int] = {}
        self.exceeded: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def start(self, *names: str) -> None:
        for name in names:
            self.running[name] += 1
            self.most[name] = max(self.most[name], self.running[name])
            if self.running[name] > self.caps.get(name, self.running[name]):
                self.exceeded.append(f"{name}: {self.running}")

    def end(self, *names: str) -> None:
        for name in names:
            self.running[name] -= 1

    def app(self, name: str, slots: int = 20, **options: Any) -> App:
        deployment = self

        class Worker(Actor):
            async def work(self, job: Job) -> None:
                tenant = self.ctx.tenant
                assert tenant is not None
                names = ("app", f"tenant {tenant}", f"process {name}")
                deployment.by[name] += 1
                deployment.start(*names)
                try:
                    await asyncio.sleep(job.seconds)
                    await deployment.gate.wait()
                finally:
                    deployment.end(*names)

        app = App("caps")
        app.service("work", Worker, slots=slots, **options)
        return app


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = Deployment()
    yield made
    assert made.exceeded == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 # it is other processes' doing, which can only be looked at
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def members(database: Server, *apps: App) -> AsyncIterator[list[Running]]:
    """The apps, once each of them has its shards and has stated so."""
    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(run(app, database)) for app in apps]
        await until(lambda: all(abs(each.portions.shards - 64 // len(running)) <= 1 for each in running))
        yield running


async def fill(app: App, tenant: str, count: int, seconds: float = 0.002, keys: int | None = None) -> None:
    messages = [
        Enqueue(message=Job(seconds), tenant=tenant, key=None if keys is None else f"k{n % keys}") for n in range(count)
    ]
    await app.enqueue_many("work", messages)


async def test_a_cap_of_a_tenant_holds_over_three_processes_and_all_of_it_is_used(
    deployment: Deployment, database: Server
) -> None:
    deployment.caps["tenant acme"] = 7
    apps = [deployment.app(name) for name in ("one", "two", "three")]
    for app in apps:
        app.tenant("acme", slots=7)
    async with members(database, *apps) as running:
        await fill(apps[0], "acme", 400, seconds=0.05)
        await until(lambda: sorted(each.portions.parts.get(of_tenant("acme"), 0) for each in running) == [2, 2, 3])
        deployment.gate.clear()
        await until(lambda: deployment.running["tenant acme"] == 7)
        assert all(deployment.running[f"process {name}"] for name in ("one", "two", "three"))
        report = running[0].operations.tenants.report("acme")
        assert report.slots == Part(running[0].portions.parts[of_tenant("acme")], 7)
        assert report.standings[0].deployment_cap is None, "this cap is not within one service"
        deployment.gate.set()
        await running[0].wait_idle("work")
    assert deployment.by.total() == 400


@pytest.mark.parametrize("limits", [{"slots": 6}, {"service": "work", "slots": 6}])
async def test_caps_of_the_app_and_of_a_service_hold_over_processes(
    deployment: Deployment, database: Server, limits: dict[str, Any]
) -> None:
    deployment.caps["app"] = 6
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.limits(**limits)
    async with members(database, *apps) as running:
        deployment.gate.clear()
        for tenant in "abc":
            await fill(apps[0], tenant, 40)
        await until(lambda: deployment.running["app"] == 6)
        deployment.gate.set()
        await running[0].wait_idle("work")
    assert deployment.by.total() == 120


async def test_a_tenant_alone_fills_its_whole_cap_though_all_its_work_lies_in_one_process(
    deployment: Deployment, database: Server
) -> None:
    deployment.caps["tenant acme"] = 8
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.tenant("*", slots=8)
    async with members(database, *apps) as running:
        deployment.gate.clear()
        own = running[0].backlog
        keys = [key for key in map(str, range(200)) if own.shard_of_key("acme", key) in own.shards]
        await apps[1].enqueue_many("work", [Enqueue(message=Job(), tenant="acme", key=key) for key in keys])
        await until(lambda: deployment.running["process one"] == 8)
        assert deployment.running["process two"] == 0
        deployment.gate.set()
        await running[0].wait_idle("work")
        await until(lambda: not running[0].portions.parts)
        assert running[0].portions.shards == 32


async def test_an_explanation_names_this_processs_part(deployment: Deployment, database: Server) -> None:
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.tenant("acme", service="work", slots=4)
    async with members(database, *apps) as running:
        ids = [await apps[0].enqueue("work", Job(0.05), tenant="acme") for _ in range(200)]
        await until(lambda: all(set(each.portions.parts.values()) == {2} for each in running))
        deployment.gate.clear()
        await until(lambda: deployment.running["tenant acme"] == 4)
        own = running[0].backlog
        waiting = [one for one in ids if shard_of("acme", None, own.count, one) in own.shards][-1]
        explained = await running[0].operations.tenants.explain(waiting)
        said = "its tenant may fill 2 slots, and fills 2; 2 of the deployment's 4 slots are this process's part"
        assert said in [reason.detail for reason in explained.reasons]
        other = await running[1].operations.tenants.explain(waiting)
        [reason] = other.reasons
        [owner] = [member for member in await running[1].store.members() if set(member.shards) == own.shards]
        assert (other.place, reason.cause, other.elsewhere) == (None, "elsewhere", Owner(owner.label, owner.url))
        [standing] = running[0].operations.tenants.standings(service="work", tenant="acme", limit=1)
        assert (standing.cap, standing.deployment_cap) == (2, 4)
        deployment.gate.set()
        await running[0].wait_idle("work")


async def test_one_slot_of_the_deployment_goes_round_among_processes(deployment: Deployment, database: Server) -> None:
    deployment.caps["tenant acme"] = 1
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.tenant("acme", service="work", slots=1)
    async with members(database, *apps) as running:
        await fill(apps[0], "acme", 24, seconds=0.05)
        await until(lambda: deployment.by["one"] > 0 and deployment.by["two"] > 0)
        await running[0].wait_idle("work")
    assert deployment.by.total() == 24


async def test_caps_hold_while_processes_join_leave_and_die(
    deployment: Deployment, database: Server, admin: Connection
) -> None:
    deployment.caps |= {"tenant acme": 5, "app": 9}
    apps = {name: deployment.app(name) for name in ("one", "two", "three", "four")}
    for app in apps.values():
        app.limits(slots=9)
        app.tenant("acme", slots=5)
    end = asyncio.Event()

    async def feed() -> None:
        while not end.is_set():
            for tenant in ("acme", "bee"):
                await fill(apps["one"], tenant, 20, seconds=0.005)
            await asyncio.sleep(0.02)

    async with run(apps["one"], database) as first:
        feeding = asyncio.create_task(feed())
        await until(lambda: deployment.most["app"] == 9)
        async with run(apps["two"], database), run(apps["three"], database) as third:
            await until(lambda: deployment.by["two"] > 50 and deployment.by["three"] > 50)
            deployment.caps.clear()  # what runs in a process that was taken for dead goes on until it notices
            await admin.execute("DELETE FROM postroom.member WHERE incarnation = $1", third.incarnation)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await third.wait_stopped()
        deployment.caps |= {"tenant acme": 5, "app": 9}
        await until(lambda: first.portions.whole)
        async with run(apps["four"], database):
            await until(lambda: deployment.by["four"] > 50)
        end.set()
        await feeding
        await first.wait_idle("work")


async def test_a_cap_that_is_set_while_all_run_holds_when_what_ran_has_ended(
    deployment: Deployment, database: Server
) -> None:
    apps = [deployment.app(name) for name in ("one", "two")]
    async with members(database, *apps) as running:
        deployment.gate.clear()
        await fill(apps[0], "acme", 200)
        await until(lambda: deployment.running["app"] == 40)
        await running[0].policies.change(Scope("work"), Policy(slots=3), by="ann")
        await until(lambda: running[1].policies.live(Scope("work")) is not None)
        deployment.gate.set()
        await until(lambda: deployment.running["app"] <= 3)
        deployment.caps["app"] = 3
        await until(lambda: deployment.by.total() >= 100)
        await running[1].policies.change(Scope("work"), Policy(slots=30), by="ann")
        deployment.caps["app"] = 30
        await running[0].wait_idle("work")


async def test_the_slots_of_a_service_are_raised_above_those_it_has_and_lowered_while_it_runs(
    deployment: Deployment, database: Server
) -> None:
    app = deployment.app("one", slots=2)
    async with members(database, app) as [running]:
        deployment.gate.clear()
        await fill(app, "acme", 12)
        await until(lambda: deployment.running["app"] == 2)
        await running.policies.change(Scope("work"), Policy(slots=5), by="ann")
        await until(lambda: deployment.running["app"] == 5)
        await running.policies.change(Scope("work"), Policy(), ("slots",), by="ann")
        assert deployment.running["app"] == 5, "what runs goes on"
        deployment.gate.set()
        await running.wait_idle("work")
        deployment.gate.clear()
        await fill(app, "acme", 4)
        await until(lambda: deployment.running["app"] == 2)
        deployment.gate.set()
        await running.wait_idle("work")


async def test_tenants_of_which_too_many_are_short_to_ask_for_all_have_a_turn_each(
    deployment: Deployment, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.durable.demands.MOST_TENANTS", 4)
    tenants = [f"t{number}" for number in range(12)]
    deployment.caps |= {f"tenant {tenant}": 1 for tenant in tenants}
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.tenant("*", slots=1)
    async with members(database, *apps) as running:
        for tenant in tenants:
            await fill(apps[0], tenant, 300, seconds=0.05)
        await until(lambda: all(deployment.most[f"tenant {tenant}"] for tenant in tenants))
        await running[0].policies.change(Scope(None, "*"), Policy(slots=30), by="ann")
        deployment.caps.clear()
        await running[0].wait_idle("work")


async def test_a_process_that_is_alone_states_once_that_all_is_its_own(
    deployment: Deployment, database: Server, admin: Connection
) -> None:
    app = deployment.app("one")
    app.tenant("acme", slots=2)
    app.limits("work", slots=3, rate=1e6)
    async with run(app, database) as running:
        for _ in range(3):
            await fill(app, "acme", 20)
            await running.wait_idle("work")
            await running.divider.exchange()
        assert running.portions.whole
        assert await admin.fetchval("SELECT version FROM postroom.portion_version") == 1


async def test_a_rate_that_one_process_alone_was_ever_asked_goes_there(
    deployment: Deployment, database: Server
) -> None:
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.limits("work", rate=40.0, burst=8)
    async with members(database, *apps) as [running, _]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while running.portions.rate_part(Scope("work")) < 0.9:
                with contextlib.suppress(LimitError):
                    await apps[0].enqueue("work", Job(), tenant="acme")
                await asyncio.sleep(0.005)
        await running.wait_idle("work")


async def test_a_rate_holds_over_processes_and_goes_to_where_it_is_asked(
    deployment: Deployment, database: Server
) -> None:
    apps = [deployment.app(name) for name in ("one", "two")]
    for app in apps:
        app.limits("work", rate=40.0, burst=8)
    accepted: Counter[int] = Counter()

    async def ask(place: int) -> None:
        with contextlib.suppress(LimitError):
            await apps[place].enqueue("work", Job(), tenant="acme")
            accepted[place] += 1

    loop = asyncio.get_running_loop()
    async with members(database, *apps) as running:
        began = loop.time()
        for _ in itertools.takewhile(lambda _: loop.time() - began < 1.5, itertools.count()):
            await ask(0)
            await ask(1)
            await asyncio.sleep(0.005)
        assert accepted.total() <= 8 + 40 * (loop.time() - began)
        assert min(accepted.values()) >= 15
        await until(lambda: running[1].portions.parts == {})
        accepted.clear()
        began = loop.time()
        for _ in itertools.takewhile(lambda _: loop.time() - began < 1.5, itertools.count()):
            await ask(0)
            await asyncio.sleep(0.005)
        assert 35 <= accepted.total() <= 8 + 40 * (loop.time() - began)
        await running[0].wait_idle("work")
