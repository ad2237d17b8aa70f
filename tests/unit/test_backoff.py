from __future__ import annotations

from random import Random

import pytest

from actors.spec import Backoff
from runtime.core.backoff import delay_seconds


def test_without_jitter_each_failure_multiplies_the_delay_up_to_the_maximum() -> None:
    backoff = Backoff(initial_seconds=0.5, factor=3.0, max_seconds=10.0, jitter=0.0)
    assert [delay_seconds(backoff, n, Random(1)) for n in range(1, 6)] == [0.5, 1.5, 4.5, 10.0, 10.0]


def test_ten_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(initial_seconds=0.5, factor=1e6, max_seconds=10.0, jitter=0.0)
    assert delay_seconds(backoff, 10_000, Random(1)) == 10.0


def test_no_initial_delay_means_no_delay_however_often_it_failed() -> None:
    assert delay_seconds(Backoff(initial_seconds=0.0, factor=1e6), 10_000, Random(1)) == 0.0


@pytest.mark.parametrize("jitter", [0.25, 1.0])
def test_jitter_is_the_part_of_the_delay_drawn_at_random(jitter: float) -> None:
    backoff = Backoff(initial_seconds=8.0, max_seconds=8.0, jitter=jitter)
    random = Random(1)
    delays = [delay_seconds(backoff, 1, random) for _ in range(1000)]
    assert 8.0 * (1 - jitter) <= min(delays) < 8.0 * (1 - jitter) + 0.1
    assert 7.9 < max(delays) <= 8.0


def test_the_same_random_source_gives_the_same_delay() -> None:
    assert delay_seconds(Backoff(), 3, Random(5)) == delay_seconds(Backoff(), 3, Random(5))
