"""What is left out of a statement's arrays is what the statement fills in."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.store.postgres.columns import present, same


@pytest.mark.parametrize(
    ("values", "sent"), [([], []), ([1], [1]), ([1, 1, 1], [1]), ([1, 2, 1], [1, 2, 1]), ([0, 0.0], [0])]
)
def test_equal_values_are_sent_once(values: list[Any], sent: list[Any]) -> None:
    assert same(values) == sent


@pytest.mark.parametrize(("values", "sent"), [([], []), ([None, None], []), ([None, "a"], [None, "a"])])
def test_a_column_without_values_is_not_sent(values: list[Any], sent: list[Any]) -> None:
    assert present(values) == sent
