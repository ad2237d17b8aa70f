"""Sagas and the testing kit as users write them. Only type-checked, never run."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import msgspec

from actors import Actor
from runtime import App, testing
from sagas import (
    Call,
    Compensation,
    Definition,
    DefinitionError,
    ExpressionError,
    Flow,
    RefusedError,
    Retry,
    Revoke,
    Saga,
    SagaError,
    SagaFilter,
    Sagas,
    StepFailedError,
    undo,
)


class Order(msgspec.Struct):
    id: str


class Receipt(msgspec.Struct):
    number: int


class Bank(Actor):
    async def charge(self, order: Order) -> Receipt:
        self.ctx.log.info("%s is charged with %s", order.id, self.ctx.idempotency_key)
        return Receipt(1)


release: Compensation = undo(
    "bank", "{id: input.id}", message="Order", config={}, key="input.id", retry=Retry(attempts=3, max_seconds=60)
)
body = Flow("body").step("each", "bank", "{id: item}", output="receipt")
flow: Flow = (
    Flow("order")
    .step(
        "charge",
        "bank",
        "{id: input.id}",
        message="Order",
        config={},
        key="input.id",
        output="receipt",
        retry=Retry(attempts=2, initial_seconds=1, factor=2),
        timeout_seconds=30,
        undo=release,
        pivot=False,
    )
    .parallel("both", Flow("one").wait("pause", seconds=1), Flow("other").wait("due", until="epoch(input.due)"))
    .choice("size", ("receipt.number > `1`", Flow("large")), otherwise=Flow("small"))
    .each("all", "input.lines", body, item="item", at_once=2, collect="receipt.number", output="numbers")
    .wait_signal("approved", "approve", output="approval", timeout_seconds=60)
    .saga("inner", "other", "{id: input.id}", output="made")
)
definition: Definition = flow.definition(
    result="receipt", on_failure="park", label="Order", description="An order", owner="sales"
)


class PlaceOrder(Saga):
    name = "place-order"
    version = 2
    on_failure = "compensate"
    signals = frozenset({"approve"})

    async def run(self, order: Order) -> int:
        chance: Random = self.random
        now: datetime = self.now
        back = Revoke(service="bank", message=lambda receipt: {"n": receipt.number}, key="k", retry=Retry())
        call: Call[Receipt] = self.step(
            "charge",
            "bank",
            order,
            returns=Receipt,
            key=f"{self.tenant} {self.id}",
            retry=Retry(),
            timeout_seconds=5,
            undo=back,
            pivot=True,
        )
        approval: dict[str, Any] = await self.signal("approve", returns=dict[str, Any], timeout_seconds=60)
        await self.sleep("pause", seconds=chance.random() + now.second + len(approval))
        try:
            await self.saga("inner", "other", {"id": order.id}, returns=Receipt)
        except StepFailedError as error:
            told: str = f"{error.place}: {error.error}"
            assert told
        return (await call).number


app = App("shop")
app.service("bank", Bank)
sagas = Sagas(app, slots=16, max_bytes=1_000_000)
sagas.register(definition, input=Order)
sagas.register(PlaceOrder)


async def use() -> None:
    async with app.running():
        saga: str = await sagas.start("order", Order("A"), tenant="acme", id="A", version=1, by="me")
        done = await sagas.wait(saga, tenant="acme", timeout_seconds=10)
        status: str = done.status
        await sagas.signal(saga, "approve", {"by": status}, tenant="acme", by="me")
        await sagas.cancel(saga, tenant="acme", by="me", reason="no")
        await sagas.suspend(saga, tenant="acme", by="me")
        await sagas.resume(saga, tenant="acme", by="me")
        await sagas.retry(saga, tenant="acme", by="me", place="charge")
        await sagas.skip(saga, "charge", Receipt(1), tenant="acme", by="me")
        await sagas.repair(saga, {"input": {"id": "B"}}, tenant="acme", by="me")
        await sagas.revert("order", 1, by="me")
        found = await sagas.list(SagaFilter(saga="order", tenant="acme", status="parked", limit=5, before="A"))
        shown = await sagas.show(found[0].id, tenant="acme")
        errors: tuple[type[SagaError], ...] = (DefinitionError, ExpressionError, RefusedError)
        assert shown.result or errors


async def use_kit() -> None:
    async with testing.app(app) as kit:
        kit.fail("bank", Order, ValueError("no"), times=2, after=1)
        kit.answer("bank", Order, Receipt(7), times=1, after=0)
        await kit.idle()
        await kit.pass_time(60)
        handled: list[testing.Handled] = kit.handled("bank")
        clock: testing.VirtualClock = kit.clock
        clock.move_to(clock.now() + handled[0].attempt)


def plan(sagas: Sagas) -> None:
    sagas.schedule(
        "nightly",
        "order",
        Order("A-1"),
        cron="0 3 * * *",
        tenant="acme",
        timezone="UTC",
        overlap="skip",
        catch_up_seconds=60.0,
    )
