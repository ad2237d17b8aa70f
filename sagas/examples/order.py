"""An order: save it, tell the warehouse and charge at the same time, ship; refund and release when that fails.

postroom run sagas.examples.order:app
"""

from __future__ import annotations

import msgspec

from actors import Actor, Metadata, RetryPolicy
from runtime import App
from sagas import Flow, Retry, Sagas, undo

LIMIT_CENTS = 100_000


class Order(msgspec.Struct):
    """What a customer sends. `address` may be missing: then it cannot be shipped."""

    id: str
    sku: str
    cents: int
    address: str | None = None


class Save(msgspec.Struct):
    id: str
    sku: str
    cents: int


class Close(msgspec.Struct):
    id: str
    state: str


class Saved(msgspec.Struct):
    id: str
    dear: bool


class Reserve(msgspec.Struct):
    order: str
    sku: str


class Release(msgspec.Struct):
    order: str


class Charge(msgspec.Struct):
    order: str
    cents: int


class Refund(msgspec.Struct):
    order: str
    receipt: int


class Receipt(msgspec.Struct):
    number: int


class Ship(msgspec.Struct):
    order: str
    address: str


class RefusedOrderError(Exception):
    """What no further attempt would change."""


class Orders(Actor):
    """Keeps the orders; saving one twice is one order."""

    async def save(self, save: Save) -> Saved:
        await self.db.execute(
            "INSERT INTO shop_order VALUES ($1, $2, $3, 'open') ON CONFLICT DO NOTHING", save.id, save.sku, save.cents
        )
        return Saved(save.id, dear=save.cents > LIMIT_CENTS)

    async def close(self, close: Close) -> None:
        await self.db.execute("UPDATE shop_order SET state = $2 WHERE id = $1", close.id, close.state)


class Warehouse(Actor):
    """Puts goods aside for an order, and back."""

    async def reserve(self, reserve: Reserve) -> None:
        await self.db.execute("INSERT INTO shop_reserved VALUES ($1, $2)", reserve.order, reserve.sku)

    async def release(self, release: Release) -> None:
        await self.db.execute("DELETE FROM shop_reserved WHERE order_id = $1", release.order)


class Bank(Actor):
    """Moves money: one movement for each idempotency key, however often it is told."""

    async def charge(self, charge: Charge) -> Receipt:
        if charge.cents <= 0:
            raise RefusedOrderError(f"{charge.cents} cents cannot be charged")
        return Receipt(await self._move(charge.order, charge.cents))

    async def refund(self, refund: Refund) -> None:
        cents = await self.db.fetchval("SELECT cents FROM shop_movement WHERE number = $1", refund.receipt)
        await self._move(refund.order, -cents)

    async def _move(self, order: str, cents: int) -> int:
        number: int = await self.db.fetchval(
            "INSERT INTO shop_movement (key, order_id, cents) VALUES ($1, $2, $3) RETURNING number",
            self.ctx.idempotency_key,
            order,
            cents,
        )
        return number


class Carrier(Actor):
    """Takes the goods."""

    async def ship(self, ship: Ship) -> str:
        if not ship.address:
            raise RefusedOrderError(f"order {ship.order} has no address")
        await self.db.execute("INSERT INTO shop_shipped VALUES ($1, $2)", ship.order, ship.address)
        return f"on its way to {ship.address}"


TABLES = """
CREATE TABLE IF NOT EXISTS shop_order (id text PRIMARY KEY, sku text NOT NULL, cents int NOT NULL, state text NOT NULL);
CREATE TABLE IF NOT EXISTS shop_reserved (order_id text PRIMARY KEY, sku text NOT NULL);
CREATE TABLE IF NOT EXISTS shop_movement (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    order_id text NOT NULL,
    cents int NOT NULL
);
CREATE TABLE IF NOT EXISTS shop_shipped (order_id text PRIMARY KEY, address text NOT NULL);
"""

FLOW = (
    Flow("order")
    .step(
        "save",
        "orders",
        "{id: input.id, sku: input.sku, cents: input.cents}",
        message="Save",
        output="saved",
        undo=undo("orders", "{id: input.id}", message="Close", config={"state": "given up"}),
    )
    .choice("large", ("saved.dear", Flow("approval").wait_signal("approved", "approve", timeout_seconds=86_400)))
    .parallel(
        "meanwhile",
        Flow("goods").step(
            "reserve",
            "warehouse",
            "{order: saved.id, sku: input.sku}",
            message="Reserve",
            undo=undo("warehouse", "{order: saved.id}", message="Release"),
        ),
        Flow("money").step(
            "charge",
            "bank",
            "{order: saved.id, cents: input.cents}",
            message="Charge",
            output="receipt",
            retry=Retry(attempts=2),
            undo=undo("bank", "{order: saved.id, receipt: receipt.number}", message="Refund"),
        ),
    )
    .step("ship", "carrier", "{order: saved.id, address: input.address || ''}", output="parcel", pivot=True)
    .step("close", "orders", "{id: saved.id}", message="Close", config={"state": "shipped"})
)

ONCE_REFUSED = RetryPolicy(attempts=3, permanent=(RefusedOrderError,))


def add_services(app: App) -> None:
    """The services of the shop, and their tables."""
    app.tables(TABLES)
    app.service("orders", Orders, retry=ONCE_REFUSED, metadata=Metadata(owner="sales"))
    app.service("warehouse", Warehouse, retry=ONCE_REFUSED, metadata=Metadata(owner="logistics"))
    app.service("bank", Bank, retry=ONCE_REFUSED, metadata=Metadata(owner="finance"))
    app.service("carrier", Carrier, retry=ONCE_REFUSED, metadata=Metadata(owner="logistics"))


app = App("shop")
add_services(app)
sagas = Sagas(app)
sagas.register(
    FLOW.definition(result="{parcel: parcel, receipt: receipt.number}", label="Order", owner="sales"), input=Order
)
