from __future__ import annotations

from collections import deque

from actors.spec import Intensity
from runtime.core.intensity import add_restart


def exceeded(times: list[float], max_restarts: int, period_seconds: float = 5.0) -> list[bool]:
    window: deque[float] = deque()
    intensity = Intensity(max_restarts=max_restarts, period_seconds=period_seconds)
    return [add_restart(window, now, intensity) for now in times]


def test_exactly_the_limit_is_allowed_and_one_more_is_not() -> None:
    assert exceeded([1.0, 1.0, 1.0, 1.0], max_restarts=3) == [False, False, False, True]


def test_none_is_allowed_where_the_limit_is_zero() -> None:
    assert exceeded([1.0], max_restarts=0) == [True]


def test_a_restart_exactly_one_period_ago_still_counts() -> None:
    assert exceeded([1.0, 6.0], max_restarts=1) == [False, True]


def test_an_older_restart_no_longer_counts() -> None:
    assert exceeded([1.0, 6.001], max_restarts=1) == [False, False]


def test_steady_restarts_below_the_limit_go_on_for_ever_in_bounded_memory() -> None:
    window: deque[float] = deque()
    intensity = Intensity(max_restarts=3, period_seconds=5.0)
    assert not any(add_restart(window, n * 2.0, intensity) for n in range(1000))
    assert len(window) == 3
