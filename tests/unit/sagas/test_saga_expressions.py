"""Mappings and conditions, and the limits that they keep."""

from __future__ import annotations

from typing import Any

import pytest

from sagas.errors import ExpressionError
from sagas.expressions import MAX_CHARACTERS, _Interpreter, expression

DATA: dict[str, Any] = {"input": {"total": 120, "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 3}]}}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("{sku: input.lines[0].sku, twice: multiply(input.total, `2`)}", {"sku": "a", "twice": 240}),
        ("input.lines[?n > `2`].sku", ["b"]),
        ("input.absent", None),
        ("if(input.total > `100`, 'dear', 'cheap')", "dear"),
        ("subtract(add(`1`, `2`), divide(`1`, `2`))", 2.5),
        ("join('-', [upper('a'), lower('B')])", "A-b"),
        ("split(',', 'a,b')", ["a", "b"]),
        ("epoch('1970-01-01T01:00:00+01:00')", 0.0),
        ("sort_by(input.lines, &sku)[-1].n", 3),
    ],
)
def test_expressions_read_and_make_json(text: str, answer: object) -> None:
    assert expression(text).evaluate(DATA) == answer


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input.", "Parse error at column 6"),
        ("", "cannot be empty"),
        ("(" * 2000 + "a" + ")" * 1999, "nested too deeply"),
        ("a" * (MAX_CHARACTERS + 1), "4001 characters, where 4000 are the limit"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem) as caught:
        expression(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("divide(`1`, `0`)", "division by zero"),
        ("nope(input)", r"Unknown function: nope\(\)"),
        ("add(input, `1`)", "invalid type for value"),
        ("epoch('noon')", "Invalid isoformat string"),
        ("epoch('2026-01-01T00:00:00')", "does not say its offset"),
        ("to_number('1e999')", "a number out of range"),
        ("`9`" + " | multiply(@, @)" * 60, "a number out of range"),
    ],
)
def test_what_has_no_answer_says_why_and_where(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem) as caught:
        expression(text).evaluate(DATA)
    assert " in the expression " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "input" + " | [@, @]" * 60,
        "input" + " | {a: @, b: @}" * 60 + " | a == b",
        "input" + " | [@, @]" * 60 + " | to_string(@)",
        '`"ab"`' + " | join('', [@, @])" * 60,
        "[input.lines, input.lines]" + " | [@, @][]" * 60,
        "input.lines" + " | [*].[@, @] | []" * 60,
    ],
)
def test_an_expression_that_would_grow_without_end_is_cut_off(text: str) -> None:
    with pytest.raises(ExpressionError, match="more than 200,000 values"):
        expression(text).evaluate(DATA)


def test_a_condition_is_true_or_false_and_nothing_else() -> None:
    assert expression("input.total > `100`").decide(DATA)
    with pytest.raises(ExpressionError, match="the answer is null, neither true nor false"):
        expression("input.absent").decide(DATA)


@pytest.mark.parametrize("data", [None, 5, "x", [], [1, {"b": 2}], {}, {"a": {"b": [1, None, {"c": "d"}]}, "b": 7}])
@pytest.mark.parametrize(
    "text", ["a", "a.b", "a.b[0]", "a.b[-1].c", "a.b[9]", "[1].b", "{x: a.b, y: b}", "{x: `[1]`, y: {z: a}}", "`{}`"]
)
def test_simple_expressions_answer_as_the_interpreter_does(text: str, data: Any) -> None:
    simple = expression(text)
    assert simple._quick is not None
    assert simple.evaluate(data) == _Interpreter(text).visit(simple.tree, data)
