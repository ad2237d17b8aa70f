"""The testing kit: apps and sagas without a server, without waiting, with every failure at hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors import Actor, Backoff, RetryPolicy
from runtime import App, testing
from runtime.errors import DatabaseUseError, InvalidInputError, UnknownServiceError
from runtime.store.records import DeadLetterFilter
from sagas import Flow, Sagas, undo
from sagas.examples import order


class Count(msgspec.Struct):
    n: int = 1


class Total(msgspec.Struct):
    n: int = 0


class Counter(Actor):
    state: Total

    async def count(self, count: Count) -> int:
        self.state.n += count.n
        if count.n > 1:
            self.ctx.emit("counter", Count(count.n - 1), key=self.ctx.key)
        return self.state.n


RETRY = RetryPolicy(attempts=3, backoff=Backoff(initial_seconds=60, max_seconds=600, jitter=0))


@pytest.fixture
def counting() -> App:
    app = App("test")
    app.service("counter", Counter, keyed=True, retry=RETRY)
    return app


async def test_events_are_handled_until_nothing_is_left(counting: App) -> None:
    async with testing.app(counting) as kit:
        await counting.enqueue("counter", Count(3), tenant="t", key="k")
        await kit.idle()
        assert [handled.message.n for handled in kit.handled("counter")] == [3, 2, 1]
        [state] = await kit.running.store.states("counter", [("t", "k")])
        assert state.payload == b'{"n":6}'


async def test_delays_and_retries_come_when_the_test_lets_time_pass(counting: App) -> None:
    async with testing.app(counting) as kit:
        kit.fail("counter", Count, times=2)
        await counting.enqueue("counter", Count(), tenant="t", key="k", delay_seconds=30)
        for seconds, attempts in ((29, 0), (1, 1), (59, 1), (1, 2), (119, 2), (1, 3)):
            await kit.pass_time(seconds)
            assert len(kit.handled()) == attempts
        assert await kit.running.operations.dead_letters(DeadLetterFilter()) == []


async def test_what_fails_for_good_is_a_dead_letter(counting: App) -> None:
    async with testing.app(counting) as kit:
        kit.fail("counter", Count, ValueError("no"))
        await counting.enqueue("counter", Count(), tenant="t", key="k")
        await kit.pass_time(3600)
        [letter] = await kit.running.operations.dead_letters(DeadLetterFilter())
    assert (letter.cause.message, letter.event.attempt) == ("no", 3)


async def test_the_handlers_are_themselves_again_afterwards(counting: App) -> None:
    async with testing.app(counting) as kit:
        kit.answer("counter", Count)
    async with testing.app(counting) as kit:
        await counting.enqueue("counter", Count(2), tenant="t", key="k")
        await kit.idle()
        assert len(kit.handled()) == 2


async def test_what_no_service_takes_cannot_be_scripted(counting: App) -> None:
    async with testing.app(counting) as kit:
        with pytest.raises(UnknownServiceError, match="no service is named 'gone'; there are: counter"):
            kit.fail("gone", Count)
        with pytest.raises(InvalidInputError, match="counter does not take Total"):
            kit.answer("counter", Total)


async def test_a_handler_that_needs_the_database_says_so() -> None:
    async with testing.app(order.app) as kit:
        one = order.Order("A", "s", 5, "here")
        await order.sagas.start("order", one, tenant="t", id="A")
        await kit.pass_time(60)
        [letter, *_] = await kit.running.operations.dead_letters(DeadLetterFilter())
    assert letter.cause.type.endswith(DatabaseUseError.__name__)


def stub(kit: testing.Kit) -> None:
    """Answers for the services of the shop, which keep their books in the database."""
    kit.answer("orders", order.Save, order.Saved("A", dear=False))
    kit.answer("bank", order.Charge, order.Receipt(7))
    kit.answer("carrier", order.Ship, "parcel")
    for service, kind in (
        ("orders", order.Close),
        ("warehouse", order.Reserve),
        ("warehouse", order.Release),
        ("bank", order.Refund),
    ):
        kit.answer(service, kind)


SERVICES = ("orders", "warehouse", "bank", "carrier")


async def place(kit: testing.Kit) -> tuple[Any, list[str]]:
    """Run one order to its end; return it, and what the services were told."""
    await order.sagas.start("order", order.Order("A", "s", 5, "here"), tenant="t", id="A")
    await kit.pass_time(3600)
    told = [type(each.message).__name__ for each in kit.handled() if each.service in SERVICES]
    return await order.sagas.show("A"), told


async def test_a_saga_runs_to_its_end_on_stubs() -> None:
    async with testing.app(order.app) as kit:
        stub(kit)
        done, told = await place(kit)
    assert done.result == {"parcel": "parcel", "receipt": 7}
    assert sorted(told) == ["Charge", "Close", "Reserve", "Save", "Ship"]


@pytest.mark.parametrize(
    ("service", "kind", "undone"),
    [
        ("orders", order.Save, []),
        ("warehouse", order.Reserve, ["Refund", "Close"]),
        ("bank", order.Charge, ["Release", "Close"]),
        ("carrier", order.Ship, ["Refund", "Release", "Close"]),
    ],
)
async def test_a_failure_at_each_step_is_made_good(service: str, kind: type, undone: list[str]) -> None:
    async with testing.app(order.app) as kit:
        kit.fail(service, kind)
        stub(kit)
        done, told = await place(kit)
    assert done.status == "compensated"
    tail = [name for name in told if name in {"Refund", "Release", "Close"}]
    assert sorted(tail) == sorted(undone)
    assert tail[-1:] == undone[-1:]


async def test_a_saga_waits_for_its_time_on_the_tests_clock(counting: App) -> None:
    sagas = Sagas(counting)
    flow = Flow("f").step("a", "counter", undo=undo("counter")).wait("month", seconds=30 * 86_400).step("b", "counter")
    sagas.register(flow.definition())
    async with testing.app(counting) as kit:
        await sagas.start("f", tenant="t", id="f")
        await kit.pass_time(29 * 86_400)
        assert (await sagas.show("f")).status == "waiting"
        kit.fail("counter", Count, times=2, after=1)
        await kit.pass_time(2 * 86_400)
        assert (await sagas.show("f")).status == "completed"
