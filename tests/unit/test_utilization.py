"""How busy a process is, and whether it keeps new work."""

from __future__ import annotations

from runtime.core.utilization import MARGIN, Utilization, keeps_new_work


def test_utilization_is_the_part_of_the_time_since_the_last_look_that_was_worked() -> None:
    utilization = Utilization(100.0, 7.0)
    assert utilization.since_last(102.0, 8.0) == 0.5
    assert utilization.since_last(103.0, 8.25) == 0.25
    assert utilization.since_last(104.0, 8.25) == 0


def test_clocks_of_two_kinds_never_make_more_than_all_of_the_time() -> None:
    utilization = Utilization(0.0, 0.0)
    assert utilization.since_last(1.0, 1.01) == 1
    assert utilization.since_last(1.0, 2.0) == 0, "no time has passed"


def test_new_work_stays_unless_another_is_clearly_less_busy() -> None:
    assert keeps_new_work(1.0, [])
    assert keeps_new_work(0.9, [0.9, 0.9 - MARGIN])
    assert keeps_new_work(MARGIN, [0.0])
    assert not keeps_new_work(0.6, [1.0, 0.3])
