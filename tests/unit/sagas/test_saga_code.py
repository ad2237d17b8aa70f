"""Sagas written as code: replayed, undone, and held to what they asked for before."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from sagas.code import Call, Revoke, Saga, StepFailedError
from sagas.code_plan import CodePlan
from sagas.errors import DefinitionError, RefusedError
from sagas.machine import Cancelled, Instance, Repaired, Retried, Send, Signalled, Skipped, Suspended
from tests.unit.sagas.scene import Scene


class Order(msgspec.Struct):
    id: str
    total: int = 1


class Charge(msgspec.Struct):
    order: str


class Refund(msgspec.Struct):
    receipt: int


class Receipt(msgspec.Struct):
    number: int


def refund(receipt: Receipt | None) -> Refund:
    return Refund(receipt.number if receipt else -1)


class PlaceOrder(Saga):
    """Charge and reserve at once, ask where it is dear, ship."""

    signals = frozenset({"approve"})

    async def run(self, order: Order) -> dict[str, Any]:
        back = Revoke(service="bank", message=refund)
        charge = self.step("charge", "bank", Charge(order.id), returns=Receipt, undo=back)
        reserve: Call[None] = self.step(
            "reserve", "goods", {"id": order.id}, undo=Revoke(service="goods", message={"back": 1})
        )
        receipt = await charge
        await reserve
        if order.total > 100:
            await self.signal("approve", timeout_seconds=60)
        await self.sleep("pause", 5)
        return {"receipt": receipt.number, "parcel": await self.step("ship", "van", {})}


def scene(kind: type[Saga], given: Any = None) -> Scene:
    return Scene(CodePlan(kind), given)


def placed(total: int = 1) -> Scene:
    return scene(PlaceOrder, {"id": "A", "total": total})


def store(one: Scene) -> None:
    """Write the saga and read it again, as between two events."""
    one.instance = msgspec.json.decode(msgspec.json.encode(one.instance), type=Instance)


def test_what_was_done_is_not_asked_for_again() -> None:
    one = placed()
    assert one.sent == ["charge", "reserve"]
    for place, output in (("reserve", None), ("charge", {"number": 7})):
        one.done(place, output)
        store(one)
    one.pass_time(5)
    one.done("ship", "gone")
    assert one.sent == ["charge", "reserve", "ship"]
    assert (one.status, one.instance.result) == ("completed", {"receipt": 7, "parcel": "gone"})


def test_messages_are_typed_and_carry_their_fields() -> None:
    one = placed()
    sent = one.last_sent("charge")
    assert (sent.service, sent.message, sent.payload) == ("bank", "Charge", {"order": "A"})
    assert one.last_sent("reserve").message == ""


def test_it_waits_for_a_signal_that_may_have_come_before() -> None:
    one = placed(200)
    one.happen(Signalled("approve"))
    one.done("charge", {"number": 7})
    one.done("reserve")
    assert one.instance.activities["pause"].state == "waiting"


def test_a_failure_that_the_code_does_not_catch_undoes_what_was_done() -> None:
    one = placed()
    one.done("charge", {"number": 7})
    one.failed("reserve")
    sent = one.last_sent("charge:undo")
    assert (sent.message, sent.payload) == ("Refund", {"receipt": 7})
    one.done("charge:undo")
    assert (one.status, one.instance.cause) == ("compensated", "reserve: broken")


def test_a_signal_that_does_not_come_undoes_what_was_done() -> None:
    one = placed(200)
    one.done("charge", {"number": 7})
    one.done("reserve")
    one.pass_time(60)
    for place in ("reserve:undo", "charge:undo"):
        one.done(place)
    assert one.status == "compensated"


def test_a_failure_that_the_code_catches_is_its_own_affair() -> None:
    class Either(Saga):
        async def run(self, _given: Any) -> str:
            try:
                await self.step("first", "s", {})
            except StepFailedError as error:
                await self.step("second", "s", {"why": error.error})
            return "done"

    one = scene(Either)
    one.failed("first")
    assert one.last_sent("second").payload == {"why": "broken"}
    one.done("second")
    assert one.status == "completed"


def test_an_error_of_its_own_undoes_it() -> None:
    class Broken(Saga):
        async def run(self, _given: Any) -> None:
            await self.step("a", "s", {}, undo=Revoke(service="s", message={"undo": True}))
            raise ValueError("no way on")

    one = scene(Broken)
    one.done("a")
    one.done("a:undo")
    assert (one.status, one.instance.cause) == ("compensated", "ValueError: no way on")


def test_calls_of_one_name_are_numbered() -> None:
    class Rounds(Saga):
        async def run(self, given: list[int]) -> list[int]:
            calls: list[Call[int]] = [self.step("each", "s", {"n": n}, returns=int) for n in given]
            return [await call for call in calls]

    one = scene(Rounds, [1, 2, 3])
    assert one.sent == ["each", "each[1]", "each[2]"]
    for place in ("each[2]", "each", "each[1]"):
        one.done(place, 5)
    assert one.instance.result == [5, 5, 5]


def test_chance_and_time_are_the_same_on_every_replay() -> None:
    class Drawn(Saga):
        async def run(self, _given: Any) -> None:
            for _ in range(3):
                await self.step("s", "s", {"n": self.random.random(), "at": self.now.isoformat()})

    one = scene(Drawn)
    for place in ("s", "s[1]", "s[2]"):
        one.now += 10
        one.done(place)
        store(one)
    assert one.status == "completed"
    sent = [each.payload for each in one.commands if isinstance(each, Send)]
    assert len({payload["n"] for payload in sent}) == 3
    assert sent[1]["at"] == "1970-01-01T00:16:50+00:00"


def test_a_replay_that_asks_for_something_else_is_parked_and_goes_on_when_the_code_is_mended() -> None:
    class Changing(Saga):
        message = 1

        async def run(self, _given: Any) -> None:
            await self.step("a", "s", {"n": self.message})
            await self.step("b", "s", {})

    one = scene(Changing)
    Changing.message = 2
    one.done("a")
    assert one.status == "parked"
    assert "its call 1 was a (" in str(one.instance.activities["changing"].error)
    Changing.message = 1
    one.happen(Retried(by="ann"))
    one.done("b")
    assert one.status == "completed"


def test_code_that_ends_too_early_has_diverged() -> None:
    class Shorter(Saga):
        long = True

        async def run(self, _given: Any) -> None:
            first: Call[None] = self.step("a", "s", {})
            if self.long:
                await self.step("b", "s", {})
            await first

    one = scene(Shorter)
    Shorter.long = False
    one.done("a")
    assert one.status == "parked"
    assert "it ends before its call 2, b" in str(one.instance.activities["shorter"].error)


@pytest.mark.parametrize("what", ["sleep", "unknown signal", "cleaning up", "a wrong name", "a wrong number"])
def test_what_cannot_be_replayed_is_parked_and_said(what: str) -> None:
    class Wrong(Saga):
        async def run(self, _given: Any) -> None:
            if what == "sleep":
                await asyncio.sleep(0)
            elif what == "unknown signal":
                await self.signal("gone")
            elif what == "a wrong name":
                await self.step("a:undo", "s", {})
            elif what == "a wrong number":
                await self.sleep("a", -1)
            try:
                await self.step("a", "s", {})
            finally:
                self.step("b", "s", {})

    one = scene(Wrong)
    assert one.status == "parked"
    told = {
        "sleep": "it awaits something that is none of its own calls",
        "unknown signal": "it waits for the signal 'gone', which is none of its `signals`",
        "cleaning up": "it asks for something while it is being closed",
        "a wrong name": "the name 'a:undo' is no word",
        "a wrong number": "a.seconds: must be above 0",
    }
    assert told[what] in str(one.instance.activities["wrong"].error)


def test_an_undo_that_cannot_be_said_is_parked() -> None:
    class Odd(Saga):
        async def run(self, _given: Any) -> None:
            await self.step("a", "s", {}, undo=Revoke(service="s", message=lambda answer: {"n": answer["n"]}))
            await self.step("b", "s", {})

    one = scene(Odd)
    one.done("a", {})
    one.failed("b")
    assert one.status == "parked"
    assert "what undoes it cannot be said: 'n'" in str(one.instance.activities["a:undo"].error)


def test_after_the_pivot_it_only_goes_forward() -> None:
    class Pivoted(Saga):
        async def run(self, _given: Any) -> None:
            await self.step("p", "s", {}, pivot=True)
            await self.step("a", "s", {})

    one = scene(Pivoted)
    one.happen(Cancelled(by="ann"))
    one.done("p")
    one.failed("a")
    assert one.status == "parked"
    one.happen(Retried(by="ann"))
    one.done("a")
    assert one.status == "completed"


def test_it_is_cancelled_suspended_and_repaired_like_any_other() -> None:
    one = placed(200)
    one.done("charge", {"number": 7})
    one.done("reserve")
    one.happen(Suspended(by="ann"))
    one.happen(Repaired(by="ann", data={"input": {"id": "A", "total": 300}}))
    one.happen(Cancelled(by="ann"))
    for place in ("reserve:undo", "charge:undo"):
        one.done(place)
    assert one.status == "cancelled"


def test_a_step_is_not_taken_for_done_with_what_the_code_does_not_expect() -> None:
    class Parking(Saga):
        on_failure = "park"

        async def run(self, _given: Any) -> int:
            return await self.step("a", "s", {}, returns=int)

    one = scene(Parking)
    one.failed("a")
    with pytest.raises(RefusedError, match="the output of a: Expected `int`, got `null`"):
        one.happen(Skipped(by="ann", place="a"))
    one.happen(Skipped(by="ann", place="a", output=5))
    assert one.instance.result == 5


def test_a_result_that_is_no_json_is_parked_and_taken_when_the_code_is_mended() -> None:
    class Odd(Saga):
        value: Any = object()

        async def run(self, _given: Any) -> Any:
            return self.value

    one = scene(Odd)
    assert "what it returns cannot be written as JSON" in str(one.instance.activities["odd"].error)
    Odd.value = 5
    one.happen(Retried(by="ann"))
    assert one.instance.result == 5


def test_what_cannot_run_at_all_is_refused() -> None:
    class Plain(Saga):
        def run(self, given: Any) -> Any:  # the mistake
            return given

    class Nowhere(Saga):
        async def run(self, given: Gone) -> None: ...  # type: ignore[name-defined] # noqa: F821 # the mistake

    with pytest.raises(DefinitionError, match=r"Plain\.run must be an async method"):
        CodePlan(Plain)
    with pytest.raises(DefinitionError, match="run: its annotations cannot be read: name 'Gone' is not defined"):
        CodePlan(Nowhere)


def test_it_is_named_after_its_class() -> None:
    assert PlaceOrder.name == "place-order"
