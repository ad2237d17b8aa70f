from __future__ import annotations

import random

import pytest

from bench.lags import GROWTH, LEAST_SECONDS, Lags


def test_without_delays_every_quantile_is_nothing() -> None:
    assert Lags().quantile(0.99) == 0.0


@pytest.mark.parametrize("seconds", [0.0, LEAST_SECONDS, 0.0004, 0.02, 1.5, 600.0])
def test_a_delay_is_read_at_most_a_twentieth_above_what_it_was(seconds: float) -> None:
    lags = Lags()
    lags.add(seconds)
    assert max(seconds, LEAST_SECONDS) <= lags.quantile(0.5) * (1 + 1e-9)
    assert lags.quantile(0.5) <= max(seconds, LEAST_SECONDS) * GROWTH * (1 + 1e-9)


def test_a_quantile_leaves_its_part_below() -> None:
    lags, chance = Lags(), random.Random(3)
    delays = [chance.expovariate(100.0) for _ in range(10_000)]
    for delay in delays:
        lags.add(delay)
    for part in (0.1, 0.5, 0.99):
        assert lags.quantile(part) == pytest.approx(sorted(delays)[int(part * 10_000)], rel=0.1)


def test_what_another_counted_is_added() -> None:
    one, other = Lags(), Lags()
    one.add(0.001)
    other.add(1.0)
    other.add(1.0)
    one.merge(other)
    assert one.count == 3
    assert one.quantile(0.5) >= 1.0


def test_a_delay_beyond_the_last_bucket_is_counted_there() -> None:
    lags = Lags()
    lags.add(1e9)
    assert lags.count == 1
    assert lags.quantile(1.0) > 600.0
