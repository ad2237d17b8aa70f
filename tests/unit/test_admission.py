"""What is refused at the border, and by which field."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from actors import Actor, Finalizer
from runtime.clock import SystemClock
from runtime.definition import ServiceDefinition
from runtime.durable.admission import MAX_NAME_CHARACTERS, Admission, Limits
from runtime.durable.emissions import Emissions
from runtime.durable.ids import IdSource
from runtime.errors import InvalidInputError, PayloadTooLargeError, UnknownServiceError
from runtime.store.records import Delayed


class Order(msgspec.Struct):
    cents: int
    lines: list[str] = []


class Cancel(msgspec.Struct):
    reason: str


class Orders(Actor):
    async def place(self, order: Order) -> None: ...
    async def cancel(self, cancel: Cancel) -> None: ...


class Anything(Actor):
    async def take(self, event: dict[str, Any]) -> None: ...


LIMITS = Limits(max_payload_bytes=100, max_delay_seconds=60.0, max_depth=3)


@pytest.fixture
def admission() -> Admission:
    services = {
        "orders": ServiceDefinition(name="orders", actor=Orders),
        "keyed": ServiceDefinition(name="keyed", actor=Orders, keyed=True),
        "anything": ServiceDefinition(name="anything", actor=Anything),
    }
    clock = SystemClock()
    return Admission(services, LIMITS, ids=IdSource(clock.now), clock=clock)


@pytest.fixture
def emissions(admission: Admission) -> Emissions:
    clock = SystemClock()
    return Emissions(admission, LIMITS, ids=IdSource(clock.now), clock=clock)


def test_an_unknown_service_is_refused_with_those_there_are(admission: Admission) -> None:
    with pytest.raises(UnknownServiceError, match="'nope'; this app has: anything, keyed, orders"):
        admission.event("nope", Order(1), tenant="t", key=None, by="me")


@pytest.mark.parametrize("tenant", ["", "a\nb", "a\x00", "\x85", "\ud800", "x" * (MAX_NAME_CHARACTERS + 1)])
def test_a_tenant_that_is_no_name_is_refused(admission: Admission, tenant: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        admission.event("orders", Order(1), tenant=tenant, key=None, by="me")
    assert caught.value.field == "tenant"


@pytest.mark.parametrize("key", ["", "\x07", "x" * (MAX_NAME_CHARACTERS + 1)])
def test_a_key_that_is_no_name_is_refused(admission: Admission, key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        admission.event("orders", Order(1), tenant="t", key=key, by="me")
    assert caught.value.field == "key"


def test_a_tenant_that_is_no_string_is_refused(admission: Admission) -> None:
    with pytest.raises(InvalidInputError, match="tenant: must be a string, not int"):
        admission.event("orders", Order(1), tenant=7, key=None, by="me")  # type: ignore[arg-type]


def test_a_keyed_service_needs_a_key(admission: Admission) -> None:
    with pytest.raises(InvalidInputError, match="key: is required"):
        admission.event("keyed", Order(1), tenant="t", key=None, by="me")


def test_names_of_the_greatest_length_in_any_script_pass(admission: Admission) -> None:
    tenant = "ß漢🙂" * (MAX_NAME_CHARACTERS // 3)
    assert admission.event("orders", Order(1), tenant=tenant, key=tenant, by="me").tenant == tenant


def test_a_message_that_no_handler_takes_is_refused(admission: Admission) -> None:
    with pytest.raises(InvalidInputError, match="message: orders does not take dict"):
        admission.event("orders", {"cents": 1}, tenant="t", key=None, by="me")


def test_a_message_that_json_cannot_hold_is_refused(admission: Admission) -> None:
    with pytest.raises(InvalidInputError, match="message: cannot be encoded"):
        admission.event("anything", {"x": object()}, tenant="t", key=None, by="me")


def test_a_payload_over_the_limit_is_refused_with_both_sizes(admission: Admission) -> None:
    with pytest.raises(PayloadTooLargeError, match="bytes; the limit is 100"):
        admission.event("orders", Order(1, ["x" * 100]), tenant="t", key=None, by="me")


def refused(admission: Admission, payload: bytes, type_name: str | None) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        admission.json_event("orders", payload, tenant="t", key=None, type_name=type_name, by="me")
    return caught.value


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"cents": "1"}', "payload.cents"),
        (b'{"cents": 1, "lines": [1]}', "payload.lines[0]"),
        (b"{}", "payload"),
        (b"[]", "payload"),
        (b'{"cents": 1', "payload"),
        (b'{"cents": 1, "lines": ["\xff"]}', "payload"),
    ],
)
def test_json_that_does_not_decode_names_the_field(admission: Admission, payload: bytes, field: str) -> None:
    assert refused(admission, payload, "Order").field == field


def test_the_type_is_required_where_a_service_takes_several(admission: Admission) -> None:
    assert refused(admission, b"{}", None).field == "type"
    assert "takes Cancel, Order" in str(refused(admission, b"{}", "Refund"))


def test_the_type_may_be_left_out_where_there_is_one(admission: Admission) -> None:
    event = admission.json_event("anything", b'{"a":1}', tenant="t", key=None, type_name=None, by="me")
    assert event.type == ""
    assert event.payload == b'{"a":1}'


@pytest.mark.parametrize("event_id", [uuid4(), UUID(int=0), "no uuid"])
def test_an_id_that_is_no_uuid7_is_refused(admission: Admission, event_id: UUID) -> None:
    with pytest.raises(InvalidInputError, match="must be a UUIDv7"):
        admission.event("orders", Order(1), tenant="t", key=None, by="me", event_id=event_id)


@pytest.mark.parametrize("delay", [-1.0, 60.1, float("nan"), float("inf")])
def test_a_delay_out_of_range_is_refused(admission: Admission, delay: float) -> None:
    event = admission.event("orders", Order(1), tenant="t", key=None, by="me")
    with pytest.raises(InvalidInputError, match="delay_seconds: must be between 0 and 60"):
        admission.delayed(event, delay)


def test_what_a_handler_emits_names_its_cause_and_inherits_its_tenant(
    admission: Admission, emissions: Emissions
) -> None:
    cause = admission.event("orders", Order(1), tenant="t", key=None, by="me")
    emitted = emissions.emit(cause, "anything", {"a": 1}, None, None, 5.0, None)
    assert isinstance(emitted, Delayed)
    assert (emitted.event.tenant, emitted.event.cause) == ("t", cause.id)
    assert emitted.event.enqueued_by == "service:orders"


class Draft(msgspec.Struct):
    message: Any
    tenant: Any = "t"
    key: str | None = None
    id: UUID | None = None
    finalizer: Finalizer | None = None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (Draft(Order(1), tenant=""), "tenant"),
        (Draft(Order(1), tenant=7), "tenant"),
        (Draft(Order(1), key="a\nb"), "key"),
        (Draft(Order(1), id=uuid4()), "id"),
        (Draft({"cents": 1}), "message"),
        (Draft(Order(1, ["x" * 100])), "payload"),
    ],
)
def test_one_bad_draft_of_many_refuses_all_by_its_field(admission: Admission, bad: Draft, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        admission.events("orders", [Draft(Order(1)), bad, Draft(Order(2))], by="me")
    assert caught.value.field == field


def test_many_need_a_key_where_one_does(admission: Admission) -> None:
    with pytest.raises(InvalidInputError, match="one actor per key"):
        admission.events("keyed", [Draft(Order(1), key="k"), Draft(Order(1))], by="me")


def test_many_become_what_each_would_become_alone(admission: Admission) -> None:
    own = IdSource().new_id()
    drafts = [Draft(Order(1), tenant="ä b", key="k"), Draft(Cancel("x"), id=own)]
    many = admission.events("orders", iter(drafts), by="me")
    alone = [
        admission.event("orders", each.message, tenant=each.tenant, key=each.key, by="me", event_id=each.id)
        for each in drafts
    ]
    assert [msgspec.structs.replace(event, id=own, accepted_at=0.0) for event in many] == [
        msgspec.structs.replace(event, id=own, accepted_at=0.0) for event in alone
    ]
    assert many[1].id == own
