"""A column that is sent as a literal is, to the server, what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.store.postgres import arrays
from tests.postgres import Server
from tests.property.cases import cases

Read = Callable[[str, str], list[Any]]

STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SPEAKING = st.sampled_from(
    ["", "null", "NULL", "{}", "a,b", '"', "\\", '\\"', "\\n", "\n", "\t\x1f", " x ", "\x7f", "é"]
)
TEXTS = st.lists(st.none() | SPEAKING | st.text(STORABLE))
FLOATS = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False))


@pytest.fixture
def read(postgres_server: Server) -> Iterator[Read]:
    """What the server makes of the literal of an array."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(**postgres_server))
        yield lambda literal, kind: runner.run(connection.fetchval(f"SELECT $1::text::{kind}[]", literal))
        runner.run(connection.close())


@settings(max_examples=cases(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, floats=FLOATS, integers=st.lists(st.integers(-(2**63), 2**63 - 1)), flags=st.lists(st.booleans()))
def test_the_server_reads_what_was_written(
    read: Read, texts: list[str | None], floats: list[float | None], integers: list[int], flags: list[bool]
) -> None:
    assert read(arrays.texts(texts), "text") == texts
    assert read(arrays.numbers(floats), "double precision") == floats
    assert read(arrays.numbers(integers), "bigint") == integers
    assert read(arrays.numbers(flags), "boolean") == flags


@pytest.mark.parametrize(
    ("values", "literal"), [([], "{}"), ([1, 2], "{1,2}"), ([None, 0.5], "{null,0.5}"), ([True, False], "{true,false}")]
)
def test_numbers_are_written_as_json_in_braces(values: Sequence[float | None], literal: str) -> None:
    assert arrays.numbers(values) == literal
