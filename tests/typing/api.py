"""The public API as users write it. Only type-checked, never run: a change that breaks this file breaks users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from actors import (
    Actor,
    Backoff,
    Bounded,
    Database,
    Finalizer,
    Intensity,
    JobEnded,
    Metadata,
    Overflow,
    ReceiveTimeout,
    Ref,
    Request,
    Restart,
    RetryPolicy,
    Row,
    Supervision,
    Terminated,
    Timer,
)
from runtime import App, Enqueue, Routing, Running, ServiceDefinition, Settings


class Order(msgspec.Struct):
    sku: str
    count: int = 1


class Cancel(msgspec.Struct):
    order: UUID


class CountOpen(Request[int]):
    pass


class Basket(msgspec.Struct):
    skus: list[str] = []


class Baskets(Actor):
    state: Basket
    state_version = 2

    @classmethod
    def upgrade_state(cls, version: int, raw: Any) -> Basket:
        return Basket(raw["items"] if version == 1 else [])

    async def place(self, order: Order) -> None:
        skus: list[str] = self.state.skus
        skus.append(order.sku)


class Orders(Actor):
    def __init__(self) -> None:
        self.open = 0

    async def on_start(self) -> None:
        self.ctx.log.info("started")

    async def on_restart(self, reason: BaseException) -> None:
        self.ctx.log.warning("restarted after %s", reason)

    async def place(self, order: Order) -> None:
        tag: str = await self.db.execute("INSERT INTO placed VALUES ($1, $2)", self.ctx.event_id, order.sku)
        emitted: UUID = self.ctx.emit("orders", Cancel(order=UUID(int=0)), key=tag, delay_seconds=1.5)
        self.ctx.log.info("emitted %s", emitted)
        self.ctx.emit(
            "orders", Cancel(order=emitted), finalizer=Finalizer(service="orders", context={"sku": order.sku})
        )

    async def ended(self, ended: JobEnded) -> None:
        if ended.outcome == "failed" and ended.reenqueued < 2:
            again: UUID = await self.ctx.reenqueue(ended, delay_seconds=60.0)
            self.ctx.log.info("again as %s", again)

    async def cancel_or_dynamic(self, message: Cancel | dict[str, Any]) -> None:
        rows: Sequence[Row] = await self.db.fetch("SELECT 1")
        self.open -= len(rows) if isinstance(message, Cancel) else 0

    async def count(self, _question: CountOpen) -> int:
        return self.open


app = App("orders")
app.tables("CREATE TABLE IF NOT EXISTS placed (event uuid PRIMARY KEY, sku text NOT NULL)")
orders: ServiceDefinition = app.service(
    "orders",
    Orders,
    keyed=True,
    slots=8,
    chunk_size=50,
    instances=1000,
    retry=RetryPolicy(attempts=5, backoff=Backoff(initial_seconds=1, max_seconds=60), permanent=(ValueError,)),
    supervision=Supervision(restart=Restart.TRANSIENT, intensity=Intensity(max_restarts=1, period_seconds=10)),
    metadata=Metadata(label="Orders", owner="sales"),
)


async def use() -> None:
    settings = Settings(data_dir=Path("data"), database=None, http="127.0.0.1:0", window=100, connections=4)
    async with app.running(settings) as running:
        await use_running(running)


async def use_running(running: Running) -> None:
    one: UUID = await app.enqueue("orders", Order("a"), tenant="acme", key="a", delay_seconds=1.0, by="me")
    many: list[UUID] = await app.enqueue_many(
        "orders", [Enqueue(message={"free": "form"}, tenant="acme"), Enqueue(message=Order("b"), tenant="b", id=one)]
    )
    await running.wait_idle("orders")
    database: Database = running.database
    found: Row | None = await database.fetchrow("SELECT $1::uuid AS id", many[0])
    url: str | None = running.url
    last: int = running.last_seq
    reference: Ref = app.ref("orders", tenant="acme", key="a")
    await use_reference(reference)
    assert found is None or found["id"]
    assert url is None or last


async def use_reference(reference: Ref) -> None:
    reference.tell(Order("c"))
    open_orders: int = await reference.ask(CountOpen())
    assert open_orders


class Stock(Actor[Order | Cancel | CountOpen | Terminated | ReceiveTimeout]):
    def place(self, order: Order) -> None:
        self.ctx.stash(order)

    def cancel(self, cancel: Cancel) -> None:
        self.ctx.unstash()

    async def count(self, _question: CountOpen) -> int:
        child: Ref[Order | Cancel | CountOpen] = await self.ctx.spawn(
            Stock,
            "child",
            supervision=Supervision(restart=Restart.TEMPORARY),
            mailbox=Bounded(10, Overflow.DROP_OLDEST),
        )
        self.ctx.watch(child)
        self.ctx.link(child)
        self.ctx.unwatch(child)
        timer: Timer = self.ctx.schedule(Order("d"), after_seconds=1.0, every_seconds=2.0)
        timer.cancel()
        self.ctx.receive_timeout(3.0)
        self.ctx.start_task(use())
        return 0

    def gone(self, notice: Terminated) -> None:
        reason: str | None = notice.reason
        self.ctx.log.info("%s has ended: %s", notice.path, reason)
        self.ctx.stop()

    def silence(self, notice: ReceiveTimeout) -> None:
        seconds: float = notice.seconds
        self.ctx.log.info("silent for %s s", seconds)
        self.ctx.restart()


app.service("stock", Stock, slots=4, routing=Routing.LEAST_MAILBOX, mailbox=Bounded(1024))


async def use_typed_reference(stock: Ref[Order | CountOpen]) -> None:
    stock.tell(Order("e"))
    await stock.send(Order("e"))
    stock.tell(Cancel(UUID(int=0)))  # type: ignore[arg-type] # it does not take this
    await stock.send(Cancel(UUID(int=0)))  # type: ignore[arg-type] # as above
    await stock.ask(Order("e"))  # type: ignore[arg-type] # it is no request
    answer: str = await stock.ask(CountOpen())  # type: ignore[arg-type] # it is answered with an int
    anything: Ref = app.ref("stock")
    narrower: Ref[Order] = stock
    wider: Ref[Order | Cancel] = stock  # type: ignore[assignment] # it does not take all of these
    for reference in (anything, narrower, wider):
        path: str = reference.path
        assert path != answer
