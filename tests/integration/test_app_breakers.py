"""A tenant most of whose events fail is parked; nobody else notices, and it goes on when they succeed again."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, Breaker, RetryPolicy
from runtime import App, Enqueue
from runtime.durable.service import Service
from tests.apps import run
from tests.postgres import Server

ONCE = RetryPolicy(attempts=1)
QUICK = Breaker(window=10, ratio=0.9, pause_seconds=0.05, max_pause_seconds=0.1)
SLOW = Breaker(window=10, ratio=0.9, pause_seconds=1000.0, max_pause_seconds=1000.0)


class Call(msgspec.Struct):
    n: int


class RefusedError(Exception):
    pass


class Caller(Actor):
    down: ClassVar[set[str]] = set()
    raises: ClassVar[type[Exception]] = RuntimeError
    tried: ClassVar[list[tuple[str | None, int]]] = []

    async def call(self, call: Call) -> None:
        await asyncio.sleep(0)
        self.tried.append((self.ctx.tenant, call.n))
        if self.ctx.tenant in self.down:
            raise self.raises("its destination is down")


@pytest.fixture(autouse=True)
def _forget() -> None:
    Caller.down = {"sick"}
    Caller.raises = RuntimeError
    Caller.tried.clear()


def caller_app(breaker: Breaker | None, **settings: Any) -> App:
    app = App("test")
    app.service("calls", Caller, **{"slots": 2, "retry": ONCE, "breaker": breaker, **settings})
    return app


async def enqueue(app: App, tenant: str, count: int) -> None:
    await app.enqueue_many("calls", [Enqueue(message=Call(n), tenant=tenant) for n in range(count)])


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # whatever the condition, it is looked at now and then
            await asyncio.sleep(0.005)


def state_of(service: Service, tenant: str) -> str | None:
    assert service.breakers is not None
    return next((view.state for view in service.breakers.views() if view.tenant == tenant), None)


@pytest.mark.parametrize("chunk_size", [1, 3])
async def test_a_tenant_whose_events_fail_is_parked_and_others_go_on(database: Server, chunk_size: int) -> None:
    app = caller_app(SLOW, chunk_size=chunk_size)
    async with run(app, database) as running:
        service = running.machinery.services["calls"]
        await enqueue(app, "sick", 200)
        await enqueue(app, "well", 50)
        await until(lambda: sum(tenant == "well" for tenant, _ in Caller.tried) == 50)
        await until(lambda: state_of(service, "sick") == "open")
        tried = sum(tenant == "sick" for tenant, _ in Caller.tried)
        assert 10 <= tried <= 10 + 2 * chunk_size
        assert service.breakers is not None
        [view] = service.breakers.views()
        assert view.reason == "RuntimeError: its destination is down"
        Caller.down.clear()
        assert service.breakers.close("sick")
        async with asyncio.timeout(20):
            await running.wait_idle("calls")
        assert state_of(service, "sick") is None
    assert sorted(n for tenant, n in Caller.tried if tenant == "sick") == list(range(200))


async def test_it_is_tried_again_by_itself_with_one_chunk_at_a_time(database: Server) -> None:
    app = caller_app(QUICK, slots=8)
    async with run(app, database) as running:
        service = running.machinery.services["calls"]
        await enqueue(app, "sick", 300)
        await until(lambda: state_of(service, "sick") == "open")
        before = len(Caller.tried)
        await until(lambda: len(Caller.tried) >= before + 3)
        assert len(Caller.tried) <= before + 8 + 4
        Caller.down.clear()
        async with asyncio.timeout(20):
            await running.wait_idle("calls")
    assert len(Caller.tried) == 300


async def test_permanent_failures_park_nobody(database: Server) -> None:
    app = caller_app(SLOW, retry=RetryPolicy(attempts=1, permanent=(RefusedError,)))
    Caller.raises = RefusedError
    async with run(app, database) as running:
        await enqueue(app, "sick", 100)
        async with asyncio.timeout(20):
            await running.wait_idle("calls")
        assert await running.outcome_counts("calls", 0) == [("sick", 100, 0, 100)]


async def test_retries_of_a_few_bad_events_park_nobody(database: Server) -> None:
    app = caller_app(SLOW, retry=RetryPolicy(intervals=(0.01,) * 9))
    async with run(app, database) as running:
        await enqueue(app, "sick", 8)
        async with asyncio.timeout(20):
            await running.wait_idle("calls")
        assert await running.outcome_counts("calls", 0) == [("sick", 8, 0, 8)]
    assert len(Caller.tried) == 80


async def test_without_a_breaker_all_events_are_tried(database: Server) -> None:
    app = caller_app(None)
    async with run(app, database) as running:
        await enqueue(app, "sick", 300)
        async with asyncio.timeout(20):
            await running.wait_idle("calls")
    assert len(Caller.tried) == 300


async def test_a_parked_tenant_stays_parked_when_its_service_restarts(database: Server) -> None:
    app = caller_app(SLOW)
    async with run(app, database) as running:
        service = running.machinery.services["calls"]
        await enqueue(app, "sick", 100)
        await until(lambda: state_of(service, "sick") == "open" and not service.busy)
        tried = len(Caller.tried)
        await service.stop(1.0)
        await service.start(lambda _reason: None)
        await enqueue(app, "well", 5)
        await until(lambda: sum(tenant == "well" for tenant, _ in Caller.tried) == 5)
        assert len(Caller.tried) == tried + 5
