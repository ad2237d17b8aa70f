"""A saga that cannot run in its app is refused, with step and field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sagas.builder import Flow, undo
from sagas.checking import Advertised, Checked, Known, check
from sagas.definition import Definition
from sagas.errors import DefinitionError
from sagas.plan import Plan


class Line(msgspec.Struct):
    sku: str
    count: int = 1


class Order(msgspec.Struct):
    id: str
    total: float
    express: bool
    lines: list[Line]
    note: str | None = None


class Charge(msgspec.Struct):
    order: str
    cents: int
    memo: str = ""


class Receipt(msgspec.Struct):
    number: int


SERVICES = {
    "bank": Advertised({"Charge": Charge}, {"Charge": Receipt}),
    "log": Advertised({"": dict}, {"": None}),
    "many": Advertised({"Charge": Charge, "Line": Line}, {"Charge": Any, "Line": Any}),
}
SAGAS = {"payment": Known(Charge, Receipt, has_pivot=False), "final": Known(Any, Any, has_pivot=True)}


def checked(definition: Definition) -> Checked:
    return check(Plan(definition), Order, SERVICES, SAGAS)


def flow() -> Flow:
    return Flow("f")


CHARGE = "{order: input.id, cents: `5`}"


def test_what_fits_is_let_through_and_its_types_are_known() -> None:
    made = (
        flow()
        .step("pay", "bank", CHARGE, output="receipt", config={"memo": "x"}, undo=undo("log", "{n: receipt.number}"))
        .each(
            "lines",
            "input.lines",
            Flow("b").step("l", "many", "{sku: line.sku, count: index}", message="Line"),
            item="line",
            collect="line.sku",
            output="skus",
        )
        .choice("fast", ("input.express && length(skus) > `1`", Flow("x").wait("until", until="input.total")))
        .saga("sub", "payment", CHARGE, output="paid")
        .definition(result="{n: paid.number, skus: skus}")
    )
    found = checked(made)
    assert found.data["receipt"] is Receipt
    assert found.data["input"] is Order


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (flow().step("pay", "shop"), "pay.service: no service is named 'shop'; there are: bank, log, many"),
        (flow().step("pay", "many"), "pay.message: is required: many takes Charge, Line"),
        (flow().step("pay", "bank", message="Pay"), "pay.message: bank does not take 'Pay'; it takes: Charge"),
        (flow().step("pay", "bank", "{order: input.id}"), "pay.input.cents: is required by Charge"),
        (flow().step("pay", "bank"), "pay.input.order: is required by Charge"),
        (flow().step("pay", "bank", "{order: input.ref, cents: `5`}"), "pay.input: .*Order.* has no field 'ref'"),
        (flow().step("pay", "bank", "{order: `7`, cents: `5`}"), "pay.input.order: int, where str is wanted"),
        (flow().step("pay", "bank", "{order: input.id, cents: 'x'}"), "pay.input.cents: str, where int is wanted"),
        (flow().step("pay", "bank", "{order: input.id, cents: `5`, x: `1`}"), "pay.input.x: Charge has no such field"),
        (flow().step("pay", "bank", CHARGE, config={"y": 1}), "pay.config.y: Charge has no such field"),
        (flow().step("pay", "bank", CHARGE, config={"memo": 1}), "pay.config.memo: int, where str is wanted"),
        (flow().step("pay", "bank", "input.id"), "pay.input: answers with str, not with the message's fields"),
        (flow().step("pay", "bank", "input"), "pay.input.order: is required by Charge"),
        (flow().step("pay", "bank", CHARGE, key="input.express"), "pay.key: bool, where"),
        (flow().step("pay", "bank", CHARGE, undo=undo("log", "{n: receipt}")), "pay.compensation.input: an object has"),
        (flow().step("pay", "log", "{n: later.x}").step("l", "log", output="later"), "pay.input: .*no field 'later'"),
        (flow().step("pay", "log", "{n: nope(input)}"), r"pay.input: there is no function nope\(\)"),
        (flow().step("pay", "log", "{n: add(input.total)}"), r"pay.input: add\(\) takes 2 arguments, not 1"),
        (flow().each("e", "input.id", Flow("b")), "e.over: str, where list is wanted"),
        (flow().each("e", "input.lines", Flow("b").step("s", "log", "{n: item.size}")), "s.input: .*no field 'size'"),
        (flow().step("s", "log", "{n: input.lines[0].sku.x}"), "s.input: str has no field 'x'"),
        (flow().choice("c", ("input.total", Flow("b"))), r"c.cases\[0\].when: float, where bool is wanted"),
        (flow().wait("w", until="input.id"), "w.until: str, where float is wanted"),
        (flow().saga("s", "refund"), "s.saga: no saga is named 'refund'; there are: final, payment"),
        (flow().saga("s", "payment", "{order: input.id}"), "s.input.cents: is required by Charge"),
        (flow().parallel("p", Flow("l").saga("s", "final")), "s.saga: final has a pivot"),
        (
            flow().parallel("p", Flow("l").step("a", "log", output="x"), Flow("r").step("b", "log", output="x")),
            "r.output: 'x' is also written by the branch l",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_step_and_field(definition: Flow, place: str) -> None:
    with pytest.raises(DefinitionError, match=place):
        checked(definition.definition())


def test_a_result_that_reads_what_does_not_exist_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"result: .*no field 'receipt'"):
        checked(flow().definition(result="receipt"))


def test_what_only_one_case_writes_may_be_read_afterwards() -> None:
    one = Flow("x").step("a", "bank", CHARGE, output="paid")
    checked(flow().choice("c", ("input.express", one)).step("l", "log", "{n: paid.number}").definition())
