from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.durable.ids import IdSource
from runtime.store.postgres.partitions import (
    Partition,
    expired_events,
    id_at,
    missing_events,
    missing_outcomes,
    next_width,
    parse,
)

DAY = 86_400.0


def test_bounds_are_read_as_the_server_writes_them() -> None:
    lower, upper = id_at(1000), id_at(2000)
    assert parse("event_log_p1000", f"FOR VALUES FROM ('{lower}') TO ('{upper}')") == Partition(
        1000, 2000, "event_log_p1000"
    )
    assert parse("outcome_p5", "FOR VALUES FROM ('5') TO ('7')") == Partition(5, 7, "outcome_p5")
    assert parse("outcome_p5", "FOR VALUES FROM (5) TO (7)") == Partition(5, 7, "outcome_p5")


def test_an_id_lies_in_the_range_of_its_time() -> None:
    made = IdSource(lambda: 1.5).new_id()
    assert id_at(1500) <= made < id_at(1501)
    assert id_at(0) == UUID(int=0)


def test_the_first_partitions_cover_the_period_at_hand_and_the_next() -> None:
    now = 10 * DAY + 5
    at_hand, following = missing_events([], now, DAY)
    assert (at_hand.lower, at_hand.upper) == (10 * DAY * 1000, 11 * DAY * 1000)
    assert following.upper == 12 * DAY * 1000
    assert list(missing_events([at_hand, following], now, DAY)) == []


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.01, 1e5)), max_size=8))
def test_partitions_never_overlap_whatever_the_clock_and_the_period_do(steps: list[tuple[float, float]]) -> None:
    existing: list[Partition] = []
    for now, period in steps:
        existing += missing_events(existing, now, period)
        ordered = sorted(existing)
        assert all(one.lower < one.upper for one in ordered)
        assert all(one.upper <= two.lower for one, two in itertools.pairwise(ordered))
        assert ordered[-1].upper > now * 1000


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 500), st.integers(0, 500)), max_size=8))
def test_outcomes_always_find_room_ahead_and_without_gaps(steps: list[tuple[int, int, int]]) -> None:
    existing: list[Partition] = []
    last_seq = 0
    for more, ahead, width in steps:
        last_seq += more
        existing += missing_outcomes(existing, last_seq, ahead, width)
        assert existing[-1].upper > last_seq + ahead
        assert all(one.upper == two.lower for one, two in itertools.pairwise(existing))


@pytest.mark.parametrize(("lasted", "width"), [(0.2, 200), (1, 100), (4, 100), (5, 50)])
def test_the_width_follows_how_long_the_last_one_lasted(lasted: float, width: int) -> None:
    assert next_width(100, lasted) == width


def test_what_holds_anything_younger_is_kept() -> None:
    old, edge, new = (Partition(n * 1000, (n + 1) * 1000, f"p{n}") for n in range(3))
    assert expired_events([new, edge, old], before=2) == [old, edge]
    assert expired_events([new, edge, old], before=1.999) == [old]
