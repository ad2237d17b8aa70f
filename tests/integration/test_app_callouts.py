"""Handlers that wait for callouts without their slot."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, CalloutsError, CalloutTimeoutError, RetryPolicy
from runtime import App, Running, testing
from runtime.core.policy import Policy, Scope
from runtime.errors import JobAbortedError
from tests.apps import run, services_node
from tests.postgres import Server

TABLES = "CREATE TABLE IF NOT EXISTS effect (n int NOT NULL)"
ONCE = RetryPolicy(attempts=1)


class Price(msgspec.Struct):
    number: int = 0
    rounds: int = 1
    calls: int = 2
    seconds: float | None = None
    writes: str = ""
    """`before` or `after` the callouts, or `during` them."""
    sits: bool = False
    """Whether it holds its slot for some turns before it ends."""


class Sits(msgspec.Struct):
    pass


class Fails(msgspec.Struct):
    pass


class Plain(msgspec.Struct):
    number: int


class Buyer(Actor):
    """Asks other shops, which answer when the test says so."""

    gate: ClassVar[asyncio.Event]
    entered: ClassVar[list[int]]
    went_on: ClassVar[list[int]]
    answers: ClassVar[dict[int, list[Any]]]
    cancelled: ClassVar[int]
    sitting: ClassVar[int]
    most: ClassVar[int]
    stand_up: ClassVar[asyncio.Event]

    async def price(self, price: Price) -> int:
        if price.writes == "before":
            await self._write(price.number)
        Buyer.entered.append(price.number)
        for _ in range(price.rounds):
            calls = [self._shop(price) for _ in range(price.calls)]
            Buyer.answers[price.number] = await self.ctx.callouts(calls, timeout_seconds=price.seconds)
        Buyer.went_on.append(price.number)
        if price.sits:
            Buyer.sitting += 1
            Buyer.most = max(Buyer.most, Buyer.sitting)
            for _ in range(20):
                await asyncio.sleep(0)
            Buyer.sitting -= 1
        if price.writes == "after":
            await self._write(price.number)
        return price.number

    async def fails(self, _: Fails) -> None:
        Buyer.answers[0] = await self.ctx.callouts([self._refuses(), self._gives_up(), self._shop(Price())])

    async def plain(self, plain: Plain) -> None:
        Buyer.went_on.append(plain.number)

    async def sits(self, _: Sits) -> None:
        Buyer.sitting += 1
        await Buyer.stand_up.wait()

    async def _write(self, number: int) -> None:
        await self.db.execute("INSERT INTO effect VALUES ($1)", number)

    async def _shop(self, price: Price) -> int:
        if price.writes == "during":
            await self._write(price.number)
        try:
            await Buyer.gate.wait()
        except asyncio.CancelledError:
            Buyer.cancelled += 1
            raise
        return 7

    async def _refuses(self) -> int:
        raise ConnectionRefusedError("closed on Sundays")

    async def _gives_up(self) -> int:
        raise asyncio.CancelledError


@pytest.fixture(autouse=True)
async def fresh() -> None:
    Buyer.gate, Buyer.stand_up = asyncio.Event(), asyncio.Event()
    Buyer.entered, Buyer.went_on, Buyer.answers = [], [], {}
    Buyer.cancelled = Buyer.sitting = Buyer.most = 0


def shop_app(**settings: Any) -> App:
    app = App("shop")
    app.tables(TABLES)
    app.service("buyers", Buyer, **{"slots": 1, "retry": ONCE, "keep_results": True, "breaker": None, **settings})
    return app


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # anything at all
            await asyncio.sleep(0.001)


async def cause_of(running: Running, app: App, message: Price) -> str:
    job = await app.submit("buyers", message, tenant="acme")
    await running.wait_idle("buyers")
    return (await running.operations.dead_letter(job.id)).cause.message


def detail(running: Running) -> str | None:
    return services_node(running).children[0].detail


async def test_others_use_the_slot_of_a_handler_that_waits_and_its_answers_come_together(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        jobs = [await app.submit("buyers", Price(number), tenant="acme") for number in range(5)]
        await until(lambda: len(Buyer.entered) == 5)
        assert detail(running) == "0 of 1 slots in use; 5 wait for callouts"
        plain = await app.submit("buyers", Plain(99), tenant="bee")
        await plain.wait(10)
        assert Buyer.went_on == [99]
        Buyer.gate.set()
        assert [await job.result(timeout_seconds=10) for job in jobs] == [0, 1, 2, 3, 4]
        assert Buyer.answers == {number: [7, 7] for number in range(5)}
        await running.wait_idle("buyers")
        assert detail(running) == "0 of 1 slots in use"
        running.machinery.services["buyers"].fair.validate()


async def test_errors_stand_in_the_place_of_answers(database: Server) -> None:
    Buyer.gate.set()
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Fails(), tenant="acme")
        await running.wait_idle("buyers")
        refused, given_up, answer = Buyer.answers[0]
        assert (type(refused), str(refused)) == (ConnectionRefusedError, "closed on Sundays")
        assert str(given_up) == "a callout was cancelled from within"
        assert answer == 7


async def test_a_callout_that_takes_too_long_is_cancelled_and_the_handler_goes_on(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(seconds=0.01), tenant="acme")
        await running.wait_idle("buyers")
        assert [type(answer) for answer in Buyer.answers[0]] == [CalloutTimeoutError] * 2
        assert (Buyer.went_on, Buyer.cancelled) == ([0], 2)


@pytest.mark.parametrize(
    ("price", "settings", "why"),
    [
        (Price(calls=4), {}, "callouts: 4 at once, where 1 to 3 are allowed (max_callouts)"),
        (Price(calls=0), {}, "callouts: 0 at once, where 1 to 3 are allowed (max_callouts)"),
        (Price(rounds=4), {}, "callouts: only 3 times for each attempt (max_callout_rounds)"),
        (
            Price(seconds=121),
            {},
            "callouts: timeout_seconds must be above 0 and at most 120 (callout_seconds), not 121",
        ),
        (Price(writes="before"), {}, "callouts: self.db was used before: its transaction would stay open meanwhile"),
        (Price(), {"chunk_size": 2}, "callouts: buyers has a chunk_size above 1, so that others would wait"),
    ],
)
async def test_what_is_not_allowed_is_refused_with_the_limit(
    database: Server, price: Price, settings: dict[str, Any], why: str
) -> None:
    Buyer.gate.set()
    app = shop_app(**settings)
    async with run(app, database) as running:
        assert (await cause_of(running, app, price)).startswith(why)
        assert await running.database.fetchval("SELECT count(*) FROM effect") == 0


async def test_the_database_is_there_after_callouts_and_not_during_them(database: Server) -> None:
    Buyer.gate.set()
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(1, writes="after"), tenant="acme")
        await app.enqueue("buyers", Price(2, writes="during"), tenant="acme")
        await running.wait_idle("buyers")
        assert await running.database.fetchval("SELECT array_agg(n) FROM effect") == [1]
        assert all(isinstance(answer, CalloutsError) for answer in Buyer.answers[2])


async def test_the_order_of_a_key_is_kept_while_one_of_it_waits(database: Server) -> None:
    app = shop_app(keyed=True, slots=4)
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(1), tenant="acme", key="k")
        await until(lambda: Buyer.entered == [1])
        await app.enqueue("buyers", Plain(2), tenant="acme", key="k")
        other = await app.submit("buyers", Plain(3), tenant="acme", key="l")
        await other.wait(10)
        assert Buyer.went_on == [3]
        Buyer.gate.set()
        await running.wait_idle("buyers")
        assert Buyer.went_on == [3, 1, 2]


async def test_who_comes_back_respects_the_cap_of_its_tenant(database: Server) -> None:
    app = shop_app(slots=4)
    app.tenant("acme", slots=1)
    async with run(app, database) as running:
        for number in range(5):
            await app.enqueue("buyers", Price(number, rounds=2, sits=True), tenant="acme")
        await until(lambda: len(Buyer.entered) == 5)
        Buyer.gate.set()
        await running.wait_idle("buyers")
        assert sorted(Buyer.went_on) == [0, 1, 2, 3, 4]
        assert Buyer.most == 1


async def test_who_comes_back_is_the_first_of_its_tenant(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(0), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        await app.enqueue("buyers", Sits(), tenant="bee")
        await until(lambda: Buyer.sitting == 1)
        for number in range(1, 4):
            await app.enqueue("buyers", Plain(number), tenant="acme")
        Buyer.gate.set()
        [away] = running.machinery.services["buyers"].callouts.away.values()
        await until(lambda: away.back is not None)
        Buyer.stand_up.set()
        await running.wait_idle("buyers")
        assert Buyer.went_on == [0, 1, 2, 3]


async def test_a_paused_tenant_goes_on_when_it_is_resumed(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        job = await app.submit("buyers", Price(), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        await running.policies.change(Scope(None, "acme"), Policy(state="paused"), by="ada", reason="a test")
        Buyer.gate.set()
        bee = await app.submit("buyers", Plain(1), tenant="bee")
        await bee.wait(10)
        assert Buyer.went_on == [1]
        await running.policies.change(Scope(None, "acme"), Policy(state="active"), by="ada", reason="a test")
        await job.wait(10)
        assert Buyer.went_on == [1, 0]


async def test_waiting_is_not_charged(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        began = running.clock.monotonic()
        await until(lambda: running.clock.monotonic() - began > 0.3)
        Buyer.gate.set()
        await running.wait_idle("buyers")
        used = sum(share.used_seconds for share in running.machinery.services["buyers"].fair.tenants())
        assert used < 0.1
        assert await running.database.fetchval("SELECT finished_at - started_at FROM postroom.outcome") > 0.3


async def test_an_abort_reaches_a_handler_that_waits_and_its_callouts(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        job = await app.submit("buyers", Price(), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        await job.abort(by="ada", reason="too dear")
        with pytest.raises(JobAbortedError):
            await job.result(timeout_seconds=10)
        await running.wait_idle("buyers")
        assert (Buyer.cancelled, Buyer.went_on) == (2, [])
        plain = await app.submit("buyers", Plain(1), tenant="acme")
        await plain.wait(10)
        assert detail(running) == "0 of 1 slots in use"


async def test_the_time_limit_of_the_service_ends_the_wait(database: Server) -> None:
    app = shop_app(timeout_seconds=0.05)
    async with run(app, database) as running:
        cause = await cause_of(running, app, Price())
        assert cause == "Buyer: the handler of Price took longer than 0.05 s and was cancelled"
        assert Buyer.cancelled == 2


async def test_a_stop_waits_for_a_handler_that_comes_back_in_time(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        job = await app.submit("buyers", Price(writes="after"), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        asyncio.get_running_loop().call_later(0.1, Buyer.gate.set)
        del job, running
    assert Buyer.went_on == [0]
    async with run(shop_app(), database) as running:
        assert await running.database.fetchval("SELECT count(*) FROM effect") == 1
        await running.wait_idle("buyers")
    assert Buyer.went_on == [0]


async def test_an_event_that_a_stop_cuts_off_is_handled_again_by_the_next_life(database: Server) -> None:
    app = shop_app()
    async with run(app, database) as running:
        await app.enqueue("buyers", Price(writes="after"), tenant="acme")
        await until(lambda: Buyer.entered == [0])
        async with asyncio.timeout(20):
            await running.machinery.services["buyers"].stop(0.01)
    assert (Buyer.went_on, Buyer.cancelled) == ([], 2)
    Buyer.gate.set()
    async with run(shop_app(), database) as running:
        await running.wait_idle("buyers")
        assert await running.database.fetchval("SELECT count(*) FROM effect") == 1
        assert Buyer.entered == [0, 0]


async def test_where_too_many_wait_the_next_ones_keep_their_slots(database: Server) -> None:
    app = shop_app(slots=2)
    async with run(app, database, max_waiting_callouts=1) as running:
        for number in range(4):
            await app.enqueue("buyers", Price(number), tenant="acme")
        await until(lambda: len(Buyer.entered) == 3)
        assert detail(running) == "2 of 2 slots in use; 1 wait for callouts"
        Buyer.gate.set()
        await running.wait_idle("buyers")
        assert sorted(Buyer.went_on) == [0, 1, 2, 3]


async def test_the_testing_kit_has_callouts_too() -> None:
    Buyer.gate.set()
    app = shop_app()
    async with testing.app(app) as kit:
        await app.enqueue("buyers", Price(5), tenant="acme")
        await kit.idle()
        assert Buyer.answers[5] == [7, 7]
