"""The order of `sagas.examples.order`, written as code, over the same services.

postroom run sagas.examples.order_code:app
"""

from __future__ import annotations

import msgspec

from runtime import App
from sagas import Call, Revoke, Saga, Sagas
from sagas.examples.order import (
    Charge,
    Close,
    Order,
    Receipt,
    Refund,
    Release,
    Reserve,
    Save,
    Saved,
    Ship,
    add_services,
)


class Placed(msgspec.Struct):
    """What the customer gets."""

    parcel: str
    receipt: int


class PlaceOrder(Saga):
    """Save, tell the warehouse and charge at the same time, ship."""

    signals = frozenset({"approve"})

    async def run(self, order: Order) -> Placed:
        save = Save(order.id, order.sku, order.cents)
        given_up = Revoke(service="orders", message=Close(order.id, "given up"))
        saved = await self.step("save", "orders", save, returns=Saved, undo=given_up)
        if saved.dear:
            await self.signal("approve", timeout_seconds=86_400)

        release = Revoke(service="warehouse", message=Release(order.id))
        reserved: Call[None] = self.step("reserve", "warehouse", Reserve(order.id, order.sku), undo=release)
        receipt = await self.step(
            "charge",
            "bank",
            Charge(order.id, order.cents),
            returns=Receipt,
            undo=Revoke(service="bank", message=lambda receipt: Refund(order.id, receipt.number)),
        )
        await reserved

        parcel = await self.step("ship", "carrier", Ship(order.id, order.address or ""), returns=str, pivot=True)
        await self.step("close", "orders", Close(order.id, "shipped"))
        return Placed(parcel, receipt.number)


app = App("shop")
add_services(app)
sagas = Sagas(app)
sagas.register(PlaceOrder)
