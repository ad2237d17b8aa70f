"""What is wrong with a definition in itself is refused, with step and field."""

from __future__ import annotations

import pytest

from sagas.builder import Flow, undo
from sagas.definition import Definition, Retry, decode, encode
from sagas.errors import DefinitionError
from sagas.plan import Plan


def flow() -> Flow:
    return Flow("f")


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (flow().step("a", "s").step("a", "s").definition(), "a.name: is the name of two nodes"),
        (Flow("").definition(), "name: '' must be a word"),
        (flow().step("a b", "s").definition(), "a b.name: 'a b' must be a word"),
        (flow().step("a", "s", "{n: ").definition(), "a.input: "),
        (flow().step("a", "s", key="[").definition(), "a.key: "),
        (flow().step("a", "s", output="input").definition(), "a.output: 'input' is a name that every"),
        (flow().step("a", "s", retry=Retry(attempts=0)).definition(), "a.retry.attempts: must be between 1 and 1000"),
        (flow().step("a", "s", retry=Retry(factor=0.5)).definition(), "a.retry.factor: must be 1 or more"),
        (flow().step("a", "s", timeout_seconds=0).definition(), "a.timeout_seconds: must be above 0"),
        (flow().step("a", "s", undo=undo("s", "{")).definition(), "a.compensation.input: "),
        (flow().choice("c").definition(), "c.cases: are none"),
        (flow().choice("c", ("&", Flow("x"))).definition(), r"c.cases\[0\].when: "),
        (flow().each("e", "input", Flow("b"), at_once=0).definition(), "e.at_once: must be between 1 and"),
        (flow().each("e", "input", Flow("b"), output="o").definition(), "e.collect: goes with an output"),
        (flow().wait("w").definition(), "w.seconds: give either seconds or until"),
        (flow().wait("w", seconds=1, until="x").definition(), "w.seconds: give either seconds or until"),
        (flow().definition(result="{"), "result: "),
        (flow().parallel("p", Flow("l").step("a", "s", pivot=True)).definition(), "a.pivot: stands in parallel"),
        (
            flow().each("e", "input", Flow("b").step("a", "s", pivot=True), at_once=2).definition(),
            "a.pivot: stands in the loop e",
        ),
    ],
)
def test_a_definition_that_is_wrong_in_itself_is_refused(definition: Definition, place: str) -> None:
    with pytest.raises(DefinitionError, match=place):
        Plan(definition)


def test_a_definition_travels_as_json() -> None:
    made = (
        flow()
        .step("a", "s", "{n: input}", output="x", undo=undo("s"))
        .choice("c", ("`true`", Flow("t").wait("w", seconds=1)), otherwise=Flow("o").saga("z", "other"))
        .each("e", "input", Flow("b").wait_signal("g", "go"))
        .parallel("p", Flow("l"), Flow("r"))
        .definition(result="x", owner="sales")
    )
    assert decode(encode(made)) == made


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ('{"name": "f"}', "Object missing required field `root`"),
        ('{"name": "f", "root": {"kind": "sequence", "name": "f", "nodes": [{"kind": "step"}]}}', r"root.nodes\[0\]"),
        ('{"name": "f", "root": {"kind": "sequence", "name": "f", "nods": []}}', "nods"),
        ("{", "is not JSON"),
    ],
)
def test_a_document_that_is_no_definition_is_refused_with_the_place(document: str, place: str) -> None:
    with pytest.raises(DefinitionError, match=place):
        decode(document)


def test_a_definition_of_too_many_nodes_is_refused() -> None:
    made = flow()
    for number in range(1000):
        made.wait(f"w{number}", seconds=1)
    with pytest.raises(DefinitionError, match="one node more than 1000"):
        Plan(made.definition())
