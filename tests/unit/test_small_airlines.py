"""The figure of a replay at a pace: waits of small airlines while the largest has a backlog."""

from __future__ import annotations

from bench.small_airlines import Wait, small_airlines


def test_only_events_count_that_came_while_the_largest_had_a_backlog() -> None:
    waits = [
        Wait("UA", 1.0, 2.0),
        Wait("UA", 1.5, 3.0),
        Wait("HA", 0.5, 9.0),
        Wait("HA", 2.5, 2.6),
        Wait("HA", 3.0, 9.0),
    ]

    found = small_airlines("UA", ["HA"], waits)

    assert (found.events, round(found.wait_max_ms or 0), found.largest_backlog) == (1, 100, 2)


def test_the_p99_is_between_the_longest_waits() -> None:
    waits = [Wait("UA", 0.0, 102.0), *(Wait("HA", float(i), i + i / 1000) for i in range(1, 102))]

    found = small_airlines("UA", ["HA"], waits)

    assert found.events == 101
    assert round(found.wait_p99_ms or 0, 2) == 100.0
    assert "p99 of the wait 100.0 ms, over 101 events that came while UA" in str(found)


def test_where_there_was_no_backlog_it_says_so() -> None:
    found = small_airlines("UA", ["HA", "OO"], [Wait("UA", 1.0, 1.0), Wait("HA", 1.0, 1.1)])

    assert found.wait_p99_ms is None
    assert str(found).startswith("HA, OO, the smallest airlines: none of their events came while UA had a backlog")
