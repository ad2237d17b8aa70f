"""When a child counts as hung."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.supervision_hang import HangWatch, Verdict


def test_a_child_at_rest_is_never_hung() -> None:
    watch = HangWatch(1.0)
    assert {watch.look(now, progress=7, working=False) for now in (0.0, 10.0, 1e9)} == {Verdict.WAIT}
    assert watch.due_at == math.inf


def test_a_child_that_moves_is_never_hung() -> None:
    watch = HangWatch(1.0)
    assert {watch.look(number * 0.9, progress=number, working=True) for number in range(100)} == {Verdict.WAIT}


def test_standing_still_for_the_limit_is_cancelled_once_and_abandoned_after_the_grace() -> None:
    watch = HangWatch(10.0, grace_seconds=1.0)
    seen = [watch.look(now, progress=3, working=True) for now in (5.0, 14.9, 15.0, 15.9, 16.0, 99.0)]
    assert seen == [Verdict.WAIT, Verdict.WAIT, Verdict.CANCEL, Verdict.WAIT, Verdict.ABANDON, Verdict.WAIT]


def test_the_next_verdict_is_due_at_a_time_that_is_known() -> None:
    watch = HangWatch(10.0, grace_seconds=1.0)
    watch.look(5.0, progress=0, working=True)
    assert watch.due_at == 15.0
    watch.look(15.5, progress=0, working=True)
    assert watch.due_at == 16.5
    watch.look(16.5, progress=0, working=True)
    assert watch.due_at == math.inf


def test_what_was_cancelled_and_moves_on_is_watched_afresh() -> None:
    watch = HangWatch(10.0)
    watch.look(0.0, progress=0, working=True)
    assert watch.look(10.0, progress=0, working=True) is Verdict.CANCEL
    assert watch.look(10.5, progress=1, working=True) is Verdict.WAIT
    assert watch.look(20.0, progress=1, working=True) is Verdict.WAIT
    assert watch.look(20.5, progress=1, working=True) is Verdict.CANCEL


def test_rest_between_two_works_ends_the_count() -> None:
    watch = HangWatch(10.0)
    watch.look(0.0, progress=0, working=True)
    watch.look(9.0, progress=0, working=False)
    watch.look(9.5, progress=0, working=True)
    assert watch.look(19.0, progress=0, working=True) is Verdict.WAIT


def test_no_limit_is_no_hang() -> None:
    watch = HangWatch(math.inf)
    assert {watch.look(now, progress=0, working=True) for now in (0.0, 1e9)} == {Verdict.WAIT}


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 1), st.booleans()), max_size=40))
def test_no_child_is_cancelled_before_its_limit(looks: list[tuple[float, int, bool]]) -> None:
    watch, now, still_since, last = HangWatch(10.0, grace_seconds=1.0), 0.0, 0.0, None
    for passed, progress, working in looks:
        now += passed
        if not working or last != (progress, working):
            still_since = now
        last = (progress, working)
        verdict = watch.look(now, progress=progress, working=working)
        watch.validate()
        assert verdict is Verdict.WAIT or (working and now - still_since >= 10.0 - 1e-9)
