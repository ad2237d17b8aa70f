"""Classes of work in a running app: long work cannot fill all slots, whatever else happens to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, CalloutTimeoutError, RetryOrder, RetryPolicy, SpecError
from runtime import App, ByRunTime, BySize, Enqueue, Running, Settings
from runtime.cli import main
from runtime.core.class_slots import ClassStanding
from runtime.core.policy import Policy, Scope
from runtime.core.work_classes import WorkClass
from runtime.errors import InvalidInputError
from sagas import Flow, Sagas
from tests.apps import run, url_of
from tests.postgres import Server

SOON = 20
"""Seconds within which what nothing holds has long ended."""
BY_SIZE = BySize(medium_bytes=1_000, large_bytes=10_000, guarantees={"small": 0.25, "medium": 0.25})
BY_RUN_TIME = ByRunTime(medium_seconds=2.0, large_seconds=4.0, guarantees={"small": 0.25, "unknown": 0.25}, runs_seen=2)
LARGE, MEDIUM, SMALL = "x" * 20_000, "x" * 2_000, "x"


class MovedClock:
    """The clock of this machine, and what handlers say that they took."""

    def __init__(self) -> None:
        self.moved = 0.0

    def now(self) -> float:
        return time.time() + self.moved

    def monotonic(self) -> float:
        return time.monotonic() + self.moved


class Load(msgspec.Struct):
    """Held until the gate is opened, if it is long."""

    text: str = SMALL
    long: bool = False


class Report(msgspec.Struct):
    """Takes so many seconds, and is held until the gate is opened if it is of `slow` tenants."""

    seconds: float


class Again(msgspec.Struct):
    text: str
    fails: bool = False


class Detour(msgspec.Struct):
    text: str = LARGE


class Worker(Actor):
    gate: ClassVar[asyncio.Event]
    clock: ClassVar[MovedClock]
    running: ClassVar[int]
    most: ClassVar[int]
    done: ClassVar[list[str]]

    async def load(self, load: Load) -> None:
        if load.long:
            await self._held()

    async def report(self, report: Report) -> None:
        Worker.clock.moved += report.seconds
        if report.seconds and Worker.done.count("report") >= 2:
            await self._held()
        Worker.done.append("report" if report.seconds else "quick")

    async def again(self, again: Again) -> None:
        Worker.done.append(again.text[:1])
        if again.fails and Worker.done.count(again.text[:1]) == 1:
            raise ValueError("once")

    async def detour(self, _: Detour) -> None:
        [answer] = await self.ctx.callouts([Worker.gate.wait()])
        Worker.done.append("timeout" if isinstance(answer, CalloutTimeoutError) else "detour")

    async def _held(self) -> None:
        Worker.running += 1
        Worker.most = max(Worker.most, Worker.running)
        await Worker.gate.wait()
        Worker.running -= 1


class Sum(msgspec.Struct):
    n: int
    text: str = ""


class Adder(Actor):
    async def add(self, sum_: Sum) -> int:
        if sum_.text:
            await Worker.gate.wait()
        return sum_.n + 1


@pytest.fixture(autouse=True)
async def fresh() -> None:
    start_anew()


def start_anew() -> None:
    Worker.gate, Worker.clock, Worker.running, Worker.most, Worker.done = asyncio.Event(), MovedClock(), 0, 0, []


def app_of(**settings: Any) -> App:
    app = App("classes")
    app.service("work", Worker, **{"slots": 8, "classes": BY_SIZE, **settings})
    return app


async def fill(app: App, tenant: str, count: int, text: str = LARGE) -> list[UUID]:
    return await app.enqueue_many("work", [Enqueue(message=Load(text, long=True), tenant=tenant) for _ in range(count)])


async def answered(app: App, *messages: msgspec.Struct, tenant: str = "quiet") -> list[str]:
    """How each ends, or not, while the gate is as it is."""
    jobs = [await app.submit("work", message, tenant=tenant) for message in messages]
    return [(await job.wait(SOON)).status for job in jobs]


def filled(running: Running) -> dict[str, int]:
    return {each.name: each.filled for each in running.machinery.services["work"].fair.classes() if each.filled}


async def finish(running: Running) -> None:
    Worker.gate.set()
    await running.wait_idle("work")


class TestBySize:
    async def test_small_events_keep_answering_while_large_ones_hold_their_part(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await fill(app, "big", 30)
            assert filled(running) == {"large": 4}
            assert await answered(app, *[Load()] * 20) == ["completed"] * 20
            assert await answered(app, Load(MEDIUM), tenant="big") == ["completed"]
            assert filled(running) == {"large": 4}
            await finish(running)
        assert Worker.most == 4

    async def test_chunks_and_costly_events_keep_the_parts_too(self, database: Server) -> None:
        app = app_of(chunk_size=3, slots=16, slots_per_event=2)
        async with run(app, database) as running:
            await fill(app, "big", 30)
            assert filled(running) == {"large": 4}
            assert await answered(app, Load(), Load(MEDIUM)) == ["completed"] * 2
            await finish(running)

    async def test_what_waits_keeps_its_class_through_a_restart(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await running.policies.change(Scope("work"), Policy(state="paused"), by="ann")
            await fill(app, "big", 10)
        async with run(app, database) as running:
            small = [await app.submit("work", Load(), tenant="quiet") for _ in range(3)]
            await running.policies.change(Scope("work"), Policy(state="active"), by="ann")
            assert [(await job.wait(SOON)).status for job in small] == ["completed"] * 3
            assert filled(running) == {"large": 4}
            await finish(running)

    async def test_a_service_that_starts_anew_keeps_its_classes(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await fill(app, "big", 10)
            service = running.machinery.services["work"]
            await service.stop(0.0)
            await service.start(lambda _: None)
            assert await answered(app, Load()) == ["completed"]
            assert filled(running) == {"large": 4}
            await finish(running)

    async def test_fewer_slots_are_shared_among_the_classes_at_once(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await running.policies.change(Scope("work"), Policy(slots=4), by="ann")
            await fill(app, "big", 10)
            assert filled(running) == {"large": 2}
            await running.policies.change(Scope("work"), Policy(), ["slots"], by="ann")
            assert filled(running) == {"large": 4}
            await finish(running)


class TestLive:
    async def test_other_parts_are_kept_at_once_and_after_a_restart(self, database: Server) -> None:
        app = app_of()
        async with run(app, database, http="127.0.0.1:0") as running:
            await fill(app, "big", 20)
            assert filled(running) == {"large": 4}
            given = ("--guarantee", "small=0.125", "--reason", "a test", "--json")
            changed = json.loads((await command(running, "tenants", "set", "--service", "work", *given)).output)
            assert changed["settings"] == {"guarantees": {"small": 0.125}}
            assert filled(running) == {"large": 7}
            shown = (await command(running, "tenants", "history", "--service", "work")).output
            assert "guarantees small=0.125" in shown
        async with run(app, database) as running:
            while sum(filled(running).values()) < 7:
                await running.backlog.progress()
            assert filled(running) == {"large": 7}
            assert await answered(app, Load()) == ["completed"]
            await running.policies.change(Scope("work"), Policy(), ["guarantees"], by="ann")
            assert [each.kept for each in running.machinery.services["work"].fair.classes()] == [2, 2, 0, 0]
            await finish(running)

    @pytest.mark.parametrize(
        ("service", "guarantees", "field"),
        [
            ("plain", {"small": 0.5}, "guarantees"),
            ("work", {"unknown": 0.5}, "guarantees.unknown"),
            ("work", {"small": 2.0}, "guarantees.small"),
        ],
    )
    async def test_what_means_nothing_for_a_service_is_refused(
        self, database: Server, service: str, guarantees: dict[WorkClass, float], field: str
    ) -> None:
        app = app_of()
        app.service("plain", Worker)
        async with run(app, database) as running:
            with pytest.raises(InvalidInputError) as refused:
                await running.policies.change(Scope(service), Policy(guarantees=guarantees), by="ann")
            assert refused.value.field == field
            wrong = await command_without_app("tenants", "set", "--service", "work", "--guarantee", "tiny=1")
            assert "is not CLASS=PART" in wrong.output
        app.limits("plain", guarantees={"small": 0.5})
        with pytest.raises(SpecError, match="plain has no classes of work"):
            async with run(app, database):
                raise AssertionError("it started")


async def command_without_app(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


class TestByRunTime:
    async def test_a_kind_that_ran_long_is_kept_from_filling_all_slots(self, database: Server) -> None:
        app = app_of(classes=BY_RUN_TIME)
        async with app.running(Settings(database=url_of(database)), clock=Worker.clock) as running:
            for _ in range(2):
                assert await answered(app, Report(5.0), tenant="slow") == ["completed"]
                assert await answered(app, Report(0.0)) == ["completed"]
            await app.enqueue_many("work", [Enqueue(message=Report(0.1), tenant="slow") for _ in range(20)])
            assert filled(running) == {"large": 4}
            assert await answered(app, *[Report(0.0)] * 5) == ["completed"] * 5
            assert await answered(app, Load(), tenant="new") == ["completed"], "it is unknown"
            await finish(running)

    async def test_what_has_no_history_is_unknown_and_the_history_begins_anew_with_a_process(
        self, database: Server
    ) -> None:
        app = app_of(classes=BY_RUN_TIME)
        for _ in range(2):
            async with run(app, database) as running:
                await fill(app, "big", 10)
                assert filled(running) == {"unknown": 6}
                await finish(running)
            start_anew()


class TestViews:
    async def test_it_is_told_that_an_event_waits_for_a_slot_of_its_class(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            waiting = (await fill(app, "big", 6))[-1]
            told = await running.operations.tenants.explain(waiting)
            assert [reason.cause for reason in told.reasons] == ["class-slots", "turn"]
            assert told.work_class == ClassStanding(name="large", kept=0, filled=4, most=4, waiting=2)
            await finish(running)
            assert (await running.operations.tenants.explain(waiting)).work_class is None

    async def test_services_and_the_tree_show_the_classes(self, database: Server) -> None:
        app = app_of()
        app.service("plain", Worker)
        async with run(app, database, http="127.0.0.1:0") as running:
            await fill(app, "big", 6)
            listed = json.loads((await command(running, "services", "--json")).output)["services"]
            assert [len(each["classes"]) for each in listed] == [4, 0]
            large = {"name": "large", "kept": 0, "filled": 4, "most": 4, "waiting": 2}
            assert large in listed[0]["classes"]
            shown = " ".join((await command(running, "services")).output.split())
            assert "large 4 of 4" in shown
            tree = (await command(running, "tree", "--json")).output
            assert "4 of 8 slots in use; small 0 of 2 (kept 2), 0 wait; medium" in tree
            await finish(running)


async def command(running: Running, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, (*arguments, "--url", str(running.url)))


class TestOrder:
    @pytest.mark.parametrize("order", [RetryOrder.STRICT, RetryOrder.RELAXED])
    async def test_events_of_a_key_keep_their_order_though_they_differ_in_class(
        self, database: Server, order: RetryOrder
    ) -> None:
        retry = RetryPolicy(intervals=(0.01, 0.01), order=order)
        app = app_of(keyed=True, retry=retry)
        texts: Sequence[str] = ["a" + LARGE, "b", "c" + MEDIUM, "d" + LARGE, "e"]
        async with run(app, database) as running:
            many = [Enqueue(message=Again(t, fails=t[0] == "a"), tenant="t", key="k") for t in texts]
            await app.enqueue_many("work", many)
            await running.wait_idle("work")
        strict = order is RetryOrder.STRICT
        assert Worker.done == (["a", "a", "b", "c", "d", "e"] if strict else ["a", "b", "c", "d", "e", "a"])

    async def test_who_waits_for_callouts_fills_no_slot_of_its_class(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await app.enqueue_many("work", [Enqueue(message=Detour(), tenant="big") for _ in range(12)])
            assert await answered(app, Load(LARGE), Load()) == ["completed"] * 2
            assert filled(running) == {}
            await finish(running)
        assert Worker.done == ["detour"] * 12

    async def test_small_steps_of_sagas_go_on_while_large_work_holds_its_part(self, database: Server) -> None:
        app = App("classes")
        app.service("add", Adder, slots=4, classes=BY_SIZE)
        sagas = Sagas(app)
        flow = Flow("two").step("a", "add", "{n: input}", output="a").step("b", "add", "{n: a}", output="b")
        sagas.register(flow.definition(result="b"), input=int)
        async with run(app, database) as running:
            large = [Enqueue(message=Sum(1, LARGE), tenant="acme") for _ in range(10)]
            await app.enqueue_many("add", large)
            async with asyncio.timeout(SOON):
                done = await sagas.wait(await sagas.start("two", 5, tenant="acme"))
            assert (done.status, done.result) == ("completed", 7)
            Worker.gate.set()
            await running.wait_idle("add")
