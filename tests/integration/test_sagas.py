"""Sagas in an app, over a real PostgreSQL: what they bring about, across restarts and versions."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, RetryPolicy
from runtime import App, Running
from runtime.errors import ConflictError, InvalidInputError, NotFoundError
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from sagas import Definition, DefinitionError, Flow, Retry, Saga, SagaFilter, Sagas, undo
from sagas.examples import order, order_code
from tests.apps import run
from tests.postgres import Server

ONCE = RetryPolicy(attempts=1)
INSTANCES = 1_000
"""That run while their definition changes."""


class Go(msgspec.Struct):
    n: int = 0


class Undo(msgspec.Struct):
    n: int = 0


class Worker(Actor):
    """Writes down what it is told; fails where the test says so."""

    failing: ClassVar[set[int]] = set()

    async def go(self, go: Go) -> int:
        if go.n in self.failing:
            raise ValueError(f"no {go.n}")
        await self._write("go", go.n)
        return go.n * 10

    async def undo(self, message: Undo) -> None:
        if -message.n in self.failing:
            raise ValueError(f"no undo of {message.n}")
        await self._write("undo", message.n)

    async def _write(self, what: str, n: int) -> None:
        await self.db.execute("INSERT INTO work (what, n, key) VALUES ($1, $2, $3)", what, n, self.ctx.idempotency_key)


@pytest.fixture(autouse=True)
def nothing_fails() -> None:
    Worker.failing = set()


def step(flow: Flow, name: str, n: int, **more: Any) -> Flow:
    revoke = undo("work", config={"n": n}, message="Undo")
    return flow.step(name, "work", config={"n": n}, message="Go", **{"undo": revoke, **more})


def app_with(*definitions: Definition | type[Saga]) -> tuple[App, Sagas]:
    app = App("test")
    app.tables(
        "CREATE TABLE IF NOT EXISTS work"
        " (id bigint GENERATED ALWAYS AS IDENTITY, what text, n int, key text UNIQUE NOT NULL)"
    )
    app.service("work", Worker, retry=ONCE, chunk_size=10)
    sagas = Sagas(app)
    for definition in definitions:
        sagas.register(definition)
    return app, sagas


async def written(running: Running) -> list[tuple[str, int]]:
    rows = await running.database.fetch("SELECT what, n FROM work ORDER BY id")
    return [(row["what"], row["n"]) for row in rows]


def three(name: str = "three") -> Flow:
    flow = Flow(name)
    for number in (1, 2, 3):
        step(flow, f"s{number}", number)
    return flow


async def test_a_saga_runs_its_steps_through_their_services(database: Server) -> None:
    app, sagas = app_with(step(Flow("one"), "a", 1, output="x").definition(result="x"))
    async with run(app, database) as running:
        done = await sagas.wait(await sagas.start("one", tenant="t"))
        assert await written(running) == [("go", 1)]
    assert (done.status, done.result) == ("completed", 10)
    assert [entry.what for entry in done.history] == ["started", "sent", "done", "completed"]


async def test_what_was_done_is_undone_when_a_step_fails_for_good(database: Server) -> None:
    Worker.failing = {3}
    app, sagas = app_with(three().definition())
    async with run(app, database) as running:
        done = await sagas.wait(await sagas.start("three", tenant="t"))
        assert await written(running) == [("go", 1), ("go", 2), ("undo", 2), ("undo", 1)]
        letters = await running.operations.dead_letters(DeadLetterFilter())
    assert (done.status, done.cause) == ("compensated", "s3: failed: ValueError: no 3")
    assert [letter.event.service for letter in letters] == ["work"]


async def test_an_undo_that_fails_is_parked_and_goes_on_when_its_dead_letter_is_replayed(database: Server) -> None:
    Worker.failing = {2, -1}
    flow = Flow("two")
    step(flow, "a", 1, undo=undo("work", config={"n": 1}, message="Undo", retry=Retry()))
    step(flow, "b", 2)
    app, sagas = app_with(flow.definition())
    async with run(app, database) as running:
        instance = await sagas.start("two", tenant="t")
        await until(sagas, instance, "parked")
        Worker.failing = set()
        [letter] = [
            one for one in await running.operations.dead_letters(DeadLetterFilter()) if one.event.type == "Undo"
        ]
        await running.operations.replay(letter.event.id, by="ann")
        assert (await sagas.wait(instance)).status == "compensated"
        assert await written(running) == [("go", 1), ("undo", 1)]


async def test_a_parked_saga_goes_on_from_its_failed_step(database: Server) -> None:
    Worker.failing = {2}
    app, sagas = app_with(three().definition(on_failure="park"))
    async with run(app, database) as running:
        instance = await sagas.start("three", tenant="t")
        await until(sagas, instance, "parked")
        Worker.failing = set()
        await sagas.retry(instance, by="ann")
        assert (await sagas.wait(instance)).status == "completed"
        assert await written(running) == [("go", 1), ("go", 2), ("go", 3)]


async def test_signals_timers_and_suspension_survive_restarts(database: Server) -> None:
    flow = step(step(Flow("f"), "a", 1).wait("pause", seconds=0.2).wait_signal("w", "ok", output="who"), "b", 2)
    definition = flow.definition(result="who")
    app, sagas = app_with(definition)
    async with run(app, database):
        instance = await sagas.start("f", tenant="t")
        await sagas.signal(instance, "ok", {"by": "ann"})
        await sagas.suspend(instance, by="ann")
        await until(sagas, instance, "suspended")
    app, sagas = app_with(definition)
    async with run(app, database) as running:
        await sagas.resume(instance, by="ann")
        done = await sagas.wait(instance)
        assert await written(running) == [("go", 1), ("go", 2)]
    assert (done.status, done.result) == ("completed", {"by": "ann"})


async def test_sagas_inside_sagas_are_undone_with_them(database: Server) -> None:
    Worker.failing = {9}
    inner = three("inner").definition(result="{n: `1`}")
    outer = step(Flow("outer").saga("sub", "inner", output="made"), "last", 9).definition()
    app, sagas = app_with(inner, outer)
    async with run(app, database) as running:
        done = await sagas.wait(await sagas.start("outer", tenant="t"))
        assert [n for what, n in await written(running) if what == "undo"] == [3, 2, 1]
        inside = await sagas.list(SagaFilter(saga="inner"))
    assert done.status == "compensated"
    assert [(one.status, one.parent) for one in inside] == [("compensated", done.id)]


async def test_sagas_that_have_ended_are_dropped_with_the_history_and_can_no_longer_be_undone(
    database: Server,
) -> None:
    inner = three("inner").definition()
    outer = Flow("outer").saga("sub", "inner").wait_signal("w", "go").definition()
    app, sagas = app_with(inner, outer)
    async with run(app, database) as running:
        instance = await sagas.start("outer", tenant="t")
        await until(sagas, instance, "waiting")
        await running.store.expire(running.clock.now() + 60)
        assert [one.saga for one in await sagas.list(SagaFilter())] == ["outer"]
        await running.machinery.services["sagas"].stop(1.0)
    app, sagas = app_with(inner, outer)
    async with run(app, database):
        await sagas.cancel(instance, by="ann")
        parked = await until(sagas, instance, "parked")
    assert "its history is no longer kept" in parked.activities["sub:undo"].error


async def test_starting_twice_with_one_id_starts_one_saga(database: Server) -> None:
    app, sagas = app_with(step(Flow("one"), "a", 1).definition())
    async with run(app, database) as running:
        for _ in range(3):
            assert await sagas.start("one", tenant="t", id="mine") == "mine"
        await sagas.wait("mine")
        await running.wait_idle("sagas")
        assert await written(running) == [("go", 1)]


async def test_a_long_loop_is_not_stopped_by_the_depth_of_chains(database: Server) -> None:
    body = Flow("b").step("a", "work", "{n: item}", message="Go", output="x")
    flow = Flow("loop").each("all", "input", body, at_once=4, collect="x", output="xs")
    app, sagas = app_with(flow.definition(result="sum(xs)"))
    async with run(app, database, max_depth=10) as running:
        done = await sagas.wait(await sagas.start("loop", list(range(60)), tenant="t"))
        assert len(await written(running)) == 60
    assert done.result == sum(range(60)) * 10


async def test_a_step_whose_message_does_not_fit_fails_and_says_where(database: Server) -> None:
    flow = Flow("f").step("a", "work", "{n: input.n}", message="Go")
    app, sagas = app_with(flow.definition())
    async with run(app, database):
        done = await sagas.wait(await sagas.start("f", {"n": "x"}, tenant="t"))
    assert done.cause == "a: cannot be sent: n: Expected `int`, got `str`"


async def test_running_sagas_finish_on_their_version_and_new_ones_take_the_new_one(database: Server) -> None:
    def definition(n: int) -> Definition:
        return step(Flow("f").wait_signal("w", "go"), "a", n, output="x").definition(result="x")

    app, sagas = app_with(definition(1))
    async with run(app, database) as running:
        old = await asyncio.gather(*(sagas.start("f", tenant="t") for _ in range(INSTANCES)))
        await running.wait_idle("sagas")
    app, sagas = app_with(definition(2))
    async with run(app, database) as running:
        new = await sagas.start("f", tenant="t")
        await until(sagas, new, "waiting")
        await sagas.suspend(old[0], by="ann")
        await until(sagas, old[0], "suspended")
        with pytest.raises(ConflictError, match="x: Expected `int`, got `str`"):
            await sagas.repair(old[0], {"x": "ten"}, by="ann")
        await sagas.resume(old[0], by="ann")
        await asyncio.gather(*(sagas.signal(instance, "go") for instance in (*old, new)))
        for service in ("sagas", "work", "sagas"):
            await running.wait_idle(service)
        ends = await asyncio.gather(*(sagas.show(instance) for instance in old))
        assert {(end.version, end.status, end.result) for end in ends} == {(1, "completed", 10)}
        assert (await sagas.show(new)).result == 20
        await sagas.revert("f", 1, by="ann")
        shelf = await sagas.catalog.shelf("f")
        reverted = await sagas.start("f", tenant="t")
        assert (await until(sagas, reverted, "waiting")).version == 1
    assert [version.number for version in shelf.versions] == [1, 2]
    assert [turn.by for turn in shelf.turns] == ["test", "test", "ann"]
    app, sagas = app_with(definition(2))
    async with run(app, database):
        assert await sagas.catalog.current("f") == 1


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (Flow("me").saga("s", "me").definition(), "s.saga: me would run inside itself: me -> me"),
        (Flow("f").saga("s", "gone").definition(), "s.saga: no saga is named 'gone'; there are: one"),
        (Flow("f").step("a", "shop").definition(), "a.service: no service is named 'shop'"),
        (Flow("f").step("a", "work", "{m: `1`}", message="Go").definition(), "a.input.m: Go has no such field"),
        (Flow("one").definition(), "name: a saga is named 'one' already"),
    ],
)
def test_what_cannot_run_in_the_app_is_refused(definition: Definition, problem: str) -> None:
    _, sagas = app_with(Flow("one").definition())
    with pytest.raises(DefinitionError) as caught:
        sagas.register(definition)
    assert problem in str(caught.value)


async def test_what_is_asked_wrongly_is_refused_with_the_reason(database: Server) -> None:
    async with run(order.app, database):
        with pytest.raises(NotFoundError, match="no saga is named 'gone'; there are: order"):
            await order.sagas.start("gone", tenant="t")
        with pytest.raises(NotFoundError, match="order has no version 7; it has 1 to 1"):
            await order.sagas.start("order", {}, tenant="t", version=7)
        with pytest.raises(InvalidInputError, match=r"input: Object missing required field `id`"):
            await order.sagas.start("order", {}, tenant="t")
        with pytest.raises(NotFoundError, match="no saga has the id 'nobody'"):
            await order.sagas.signal("nobody", "approve")
        with pytest.raises(InvalidInputError, match="input: cannot be written as JSON"):
            await order.sagas.start("order", object(), tenant="t")
        small = order.Order("A", "sku", 5, "here")
        await order.sagas.start("order", small, tenant="a", id="A")
        await order.sagas.start("order", msgspec.structs.replace(small, id="B"), tenant="b", id="A")
        for tenant in "ab":
            assert (await order.sagas.wait("A", tenant=tenant)).status == "completed"
        with pytest.raises(ConflictError, match="2 tenants have a saga 'A'; name the tenant"):
            await order.sagas.show("A")
        with pytest.raises(ConflictError, match="the saga has ended: it is completed"):
            await order.sagas.signal("A", "approve", tenant="a")
        large = await order.sagas.start("order", order.Order("L", "sku", 200_000, "here"), tenant="t")
        await until(order.sagas, large, "waiting")
        await order.sagas.suspend(large, by="ann")
        await until(order.sagas, large, "suspended")
        with pytest.raises(ConflictError, match=r"input: Expected `int`, got `str` - at `\$\.cents`"):
            await order.sagas.repair(large, {"input": {"id": "L", "sku": "s", "cents": "many"}}, by="ann")


@pytest.mark.parametrize(
    "style", [(order.app, order.sagas, "order"), (order_code.app, order_code.sagas, "place-order")]
)
async def test_the_order_flow_ends_shipped_or_made_good_in_both_styles(
    database: Server, admin: Connection, style: tuple[App, Sagas, str]
) -> None:
    app, sagas, name = style
    orders = [order.Order("ok", "s", 500, "here"), order.Order("nowhere", "s", 500), order.Order("free", "s", 0, "x")]
    async with run(app, database):
        ends = [await sagas.wait(await sagas.start(name, one, tenant="t")) for one in orders]
    assert [end.status for end in ends] == ["completed", "compensated", "compensated"]
    assert ends[0].result == {"parcel": "on its way to here", "receipt": 1}
    assert ends[1].cause == "ship: failed: sagas.examples.order.RefusedOrderError: order nowhere has no address"
    rows = await admin.fetch("SELECT id, state FROM shop_order ORDER BY id")
    assert [tuple(row) for row in rows] == [("free", "given up"), ("nowhere", "given up"), ("ok", "shipped")]
    assert await admin.fetchval("SELECT sum(cents) FROM shop_movement WHERE order_id = 'nowhere'") == 0
    assert [row[0] for row in await admin.fetch("SELECT order_id FROM shop_reserved")] == ["ok"]


async def test_a_saga_as_code_survives_a_restart_and_finishes_on_its_version(database: Server) -> None:
    class Old(Saga):
        name = "flow"
        signals = frozenset({"go"})

        async def run(self, given: int) -> int:
            first = await self.step("a", "work", Go(given), returns=int)
            await self.signal("go")
            return first + await self.step("b", "work", Go(given + 1), returns=int)

    class New(Saga):
        name = "flow"
        version = 2

        async def run(self, given: int) -> str:
            return f"new {given}"

    app, sagas = app_with(Old)
    async with run(app, database):
        old = await sagas.start("flow", 1, tenant="t")
        await until(sagas, old, "waiting")
    app, sagas = app_with(New, Old)
    async with run(app, database) as running:
        await sagas.signal(old, "go")
        assert (await sagas.wait(old)).result == 30
        assert (await sagas.wait(await sagas.start("flow", 1, tenant="t"))).result == "new 1"
        assert await written(running) == [("go", 1), ("go", 2)]
        with pytest.raises(NotFoundError, match="flow is written as code"):
            await sagas.catalog.version("flow", None)
        with pytest.raises(NotFoundError, match="has no version 3 in this app's code"):
            await sagas.start("flow", 1, tenant="t", version=3)
        with pytest.raises(InvalidInputError, match="input: Expected `int`, got `str`"):
            await sagas.start("flow", "x", tenant="t")


async def test_sagas_are_listed_by_name_tenant_and_status(database: Server) -> None:
    Worker.failing = {7}
    app, sagas = app_with(step(Flow("good"), "a", 1).definition(), step(Flow("bad"), "a", 7).definition())
    async with run(app, database):
        for number in range(3):
            await sagas.wait(await sagas.start("good", tenant="abc"[number]))
        bad = await sagas.start("bad", tenant="a")
        await sagas.wait(bad)
        everything = await sagas.list(SagaFilter())
        assert [one.id for one in everything] == sorted((one.id for one in everything), reverse=True)
        assert len(everything) == 4
        assert [one.id for one in await sagas.list(SagaFilter(status="compensated"))] == [bad]
        assert {one.saga for one in await sagas.list(SagaFilter(tenant="a"))} == {"good", "bad"}
        page = await sagas.list(SagaFilter(limit=2))
        assert await sagas.list(SagaFilter(before=page[-1].id)) == everything[2:]


async def until(sagas: Sagas, instance: str, status: str) -> Any:
    """Wait for a status, looking again and again."""
    while True:
        with contextlib.suppress(NotFoundError):  # it has yet to begin
            found = await sagas.wait(instance, timeout_seconds=0.0)
            if found.status == status:
                return found
        await asyncio.sleep(0.005)
