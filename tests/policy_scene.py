"""Services whose events work until a gate is opened, so that a test sees who fills which slots."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec

from actors import Actor
from runtime import App, Enqueue, Running
from runtime.core.policy import Policy, Scope


class Job(msgspec.Struct):
    n: int = 0


class Worker(Actor):
    """Works until the gate is opened."""

    gate: ClassVar[asyncio.Event]
    started: ClassVar[list[str]]
    running: ClassVar[int] = 0
    most: ClassVar[int] = 0

    async def work(self, _: Job) -> None:
        assert self.ctx.tenant is not None
        Worker.started.append(self.ctx.tenant)
        Worker.running += 1
        Worker.most = max(Worker.most, Worker.running)
        await Worker.gate.wait()
        Worker.running -= 1


def start_anew() -> None:
    Worker.gate, Worker.started, Worker.running, Worker.most = asyncio.Event(), [], 0, 0


def app_of(*services: str, **settings: Any) -> App:
    app = App("policies")
    for service in services or ("work",):
        app.service(service, Worker, **{"slots": 8, **settings})
    return app


async def fill(app: App, tenant: str, count: int, service: str = "work") -> None:
    await app.enqueue_many(service, [Enqueue(message=Job(), tenant=tenant) for _ in range(count)])


def slots(running: Running, service: str = "work") -> dict[str, int]:
    """Which tenant fills how many."""
    shares = running.machinery.services[service].fair.tenants()
    return {share.tenant: share.slots for share in shares if share.slots}


async def finish(running: Running, *services: str) -> None:
    Worker.gate.set()
    for service in services or ("work",):
        await running.wait_idle(service)


async def set_policy(running: Running, scope: Scope, policy: Policy, *reset: str) -> None:
    await running.policies.change(scope, policy, reset, by="ann")
