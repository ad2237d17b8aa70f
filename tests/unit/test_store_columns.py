"""What is left out of a statement's arrays is what the statement fills in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtime.store.postgres.columns import EVENT_COLUMNS, event_columns, event_values, filled, present, same
from tests.records import make_event, new_id


@pytest.mark.parametrize(
    ("values", "sent"), [([], []), ([1], [1]), ([1, 1, 1], [1]), ([1, 2, 1], [1, 2, 1]), ([0, 0.0], [0])]
)
def test_equal_values_are_sent_once(values: list[Any], sent: list[Any]) -> None:
    assert same(values) == sent


@pytest.mark.parametrize(
    ("values", "sent"),
    [([], []), ([None, None], []), ([None, "a"], [None, "a"]), (["a", None], ["a", None])],
)
def test_a_column_without_values_is_not_sent(values: list[Any], sent: list[Any]) -> None:
    assert present(values) == sent


def test_a_lone_event_has_the_values_of_the_columns() -> None:
    for event in (make_event(), make_event(key=None, cause=new_id(), origin=new_id(), depth=2, headers=b"{}")):
        columns = event_columns([event], {("trips", "acme"): 7}, 64)
        assert list(event_values(event, 7, 64)) == [column[0] for column in columns]


def test_what_no_row_has_is_not_copied() -> None:
    plain, full = make_event(key=None), make_event(cause=new_id(), origin=new_id(), depth=2, headers=b"{}")
    queues = {("trips", "acme"): 7}
    assert filled(event_columns([plain, full], queues, 64))[0] == list(EVENT_COLUMNS)
    names, values = filled(event_columns([plain, msgspec.structs.replace(plain, attempt=2)], queues, 64))
    assert set(EVENT_COLUMNS) - set(names) == {"key", "cause", "origin", "depth", "headers"}
    assert values[names.index("attempt")] == [1, 2]
