"""The slots of an app, which its services share: who waits in line, and what is kept for classes of services."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import msgspec
import pytest
from click.testing import CliRunner

from actors import Actor, SpecError
from runtime import App, Enqueue, Running
from runtime.cli import main
from runtime.core.policy import EVERYTHING, Policy, Scope
from runtime.errors import InvalidInputError
from tests.apps import run
from tests.postgres import Server

SOON = 20


class Job(msgspec.Struct):
    pass


class Worker(Actor):
    """Works until the gate is opened."""

    gate: ClassVar[asyncio.Event]

    async def work(self, _: Job) -> None:
        await Worker.gate.wait()


class Quick(Actor):
    async def work(self, _: Job) -> None:
        """It is done at once."""


@pytest.fixture(autouse=True)
async def fresh() -> None:
    Worker.gate = asyncio.Event()


async def fill(app: App, service: str, count: int) -> None:
    await app.enqueue_many(service, [Enqueue(message=Job(), tenant="acme") for _ in range(count)])


def filled(running: Running, service: str) -> int:
    return running.machinery.services[service].slots.filled


async def finish(running: Running, *services: str) -> None:
    Worker.gate.set()
    async with asyncio.timeout(SOON):
        for service in services:
            await running.wait_idle(service)


async def test_a_paused_service_lets_others_have_the_slots_of_the_app(database: Server) -> None:
    app = App("slots")
    for service in ("one", "two", "three"):
        app.service(service, Worker)
    app.limits(slots=1)
    async with run(app, database) as running:
        for service in ("one", "two", "three"):
            await fill(app, service, 1)
        assert filled(running, "one") == 1
        await running.policies.change(Scope("two"), Policy(state="paused"), by="ann")
        await finish(running, "one", "three")
        await running.policies.change(Scope("two"), Policy(), ["state"], by="ann")
        await finish(running, "two")


def classed(**limits: Any) -> App:
    app = App("slots")
    app.service("reports", Worker, work_class="large", slots=8)
    app.service("archive", Worker, work_class="large", slots=8)
    app.service("mail", Quick, work_class="small", slots=8)
    app.limits(**{"slots": 8, "guarantees": {"small": 0.25}, **limits})
    return app


async def test_small_services_keep_answering_while_large_ones_fill_all_that_they_may(database: Server) -> None:
    app = classed()
    async with run(app, database, http="127.0.0.1:0") as running:
        await fill(app, "reports", 10)
        await fill(app, "archive", 10)
        assert filled(running, "reports") + filled(running, "archive") == 6
        jobs = [await app.submit("mail", Job(), tenant="bee") for _ in range(10)]
        assert [(await job.wait(SOON)).status for job in jobs] == ["completed"] * 10
        last = await app.enqueue("archive", Job(), tenant="bee")
        told = await running.operations.tenants.explain(last)
        assert [reason.cause for reason in told.reasons] == ["process-slots"]
        assert told.reasons[0].detail == "all slots of the process are filled, or kept for services of other classes"
        shown = await asyncio.to_thread(
            CliRunner().invoke, main, ("services", "--json", "--url", str(running.url)), catch_exceptions=False
        )
        assert [each["work_class"] for each in json.loads(shown.output)["services"]] == ["large", "large", "small"]
        tree = await asyncio.to_thread(CliRunner().invoke, main, ("tree", "--url", str(running.url)))
        assert "small 0 of 2 (kept 2)" in " ".join(tree.output.split())
        await finish(running, "reports", "archive")


async def test_what_is_kept_for_services_changes_while_the_app_runs(database: Server) -> None:
    app = classed()
    async with run(app, database) as running:
        await fill(app, "reports", 10)
        assert filled(running, "reports") == 6
        await running.policies.change(EVERYTHING, Policy(guarantees={}), by="ann")
        assert filled(running, "reports") == 8
        await finish(running, "reports")


async def test_parts_of_slots_that_nobody_counts_are_refused(database: Server) -> None:
    app = classed(slots=None)
    with pytest.raises(SpecError, match="set slots, too") as refused:
        async with run(app, database):
            raise AssertionError("it started")
    assert refused.value.field == "guarantees"
    async with run(App("slots"), database) as running:
        parts = Policy(guarantees={"small": 0.5})
        with pytest.raises(InvalidInputError, match="set slots, too"):
            await running.policies.change(EVERYTHING, parts, by="ann")
        await running.policies.change(EVERYTHING, parts.over(Policy(slots=4)), by="ann")
        with pytest.raises(InvalidInputError, match="set slots, too"):
            await running.policies.change(EVERYTHING, Policy(), ["slots"], by="ann")
