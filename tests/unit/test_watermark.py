from __future__ import annotations

import pytest

from runtime.core.watermark import LowWatermark


def test_an_outcome_of_an_entry_never_loaded_is_refused() -> None:
    mark = LowWatermark(10)
    with pytest.raises(ValueError, match="seq 11 is not pending"):
        mark.done(11)


def test_a_second_outcome_is_refused() -> None:
    mark = LowWatermark()
    mark.load(1)
    mark.load(2)
    mark.done(2)
    with pytest.raises(ValueError, match="seq 2 is not pending"):
        mark.done(2)


@pytest.mark.parametrize("seq", [3, 5])
def test_an_entry_at_or_below_what_is_known_is_refused(seq: int) -> None:
    mark = LowWatermark(3)
    mark.load(5)
    with pytest.raises(ValueError, match=f"seq {seq} was loaded after 5"):
        mark.load(seq)
    mark.validate()
    assert len(mark) == 1


def test_it_begins_where_it_is_told() -> None:
    assert LowWatermark(41).value == 41


def test_the_first_pending_entry_holds_it_however_much_is_done_above() -> None:
    mark = LowWatermark()
    for seq in (2, 5, 9):
        mark.load(seq)
    mark.done(9)
    mark.done(5)
    assert (mark.value, mark.known, len(mark)) == (1, 9, 1)
    mark.done(2)
    assert (mark.value, len(mark)) == (9, 0)


def test_it_stands_right_below_the_first_pending_entry_across_gaps() -> None:
    mark = LowWatermark()
    mark.load(10)
    mark.load(500)
    mark.done(10)
    assert mark.value == 499


def test_an_empty_page_moves_it_on_and_a_pending_entry_holds_it() -> None:
    mark = LowWatermark()
    mark.advance_to(100)
    assert mark.value == 100
    mark.load(101)
    mark.advance_to(200)
    assert (mark.value, mark.known) == (100, 200)
    mark.done(101)
    assert mark.value == 200


def test_an_advance_to_the_past_changes_nothing() -> None:
    mark = LowWatermark(7)
    mark.advance_to(3)
    assert mark.value == 7


def test_nothing_is_kept_of_what_is_done() -> None:
    mark = LowWatermark()
    for seq in range(1, 1001):
        mark.load(seq)
    for seq in range(1000, 0, -1):
        mark.done(seq)
    assert not mark._order
    assert not mark._open
