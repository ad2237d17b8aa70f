from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.watermark import LowWatermark


@given(
    start=st.integers(0, 5),
    gaps=st.lists(st.integers(1, 4), max_size=40),
    choices=st.lists(st.tuples(st.sampled_from(["load", "done", "advance"]), st.integers(0, 40)), max_size=120),
)
def test_it_is_the_highest_seq_up_to_which_every_loaded_entry_is_done(
    start: int, gaps: list[int], choices: list[tuple[str, int]]
) -> None:
    mark, known, pending = LowWatermark(start), start, list[int]()
    left, highest = list(gaps), start
    for action, number in choices:
        if action == "load" and left:
            known += left.pop()
            mark.load(known)
            pending.append(known)
        elif action == "done" and pending:
            mark.done(pending.pop(number % len(pending)))
        elif action == "advance":
            known = max(known, number)
            mark.advance_to(number)
        mark.validate()
        assert mark.value == (min(pending) - 1 if pending else known)
        assert mark.value >= highest, "it fell"
        assert len(mark) == len(pending)
        highest = mark.value
