"""Who is put at the back of the queue, when those entries come to their turn, and that no slot stays empty for it."""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.fair_share import Taken
from runtime.core.flow_control import FirstEntries, FlowControlledShare


def make(examined: int = 10) -> FlowControlledShare[str]:
    return FlowControlledShare(examined=examined)


def push(share: FlowControlledShare[str], *entries: str) -> None:
    for entry in entries:
        share.push(entry[0], None, entry)


def take(share: FlowControlledShare[str]) -> Taken[str]:
    taken = share.take()
    assert taken is not None
    return taken


def order(share: FlowControlledShare[str]) -> list[str]:
    """Run everything, one at a time."""
    entries = []
    while (taken := share.take()) is not None:
        entries.append(taken.entry)
        share.complete(taken, 0.001)
        share.validate()
    return entries


def test_a_majority_that_runs_is_put_behind_all_that_waits() -> None:
    share = make()
    push(share, "a1", "a2", "a3")
    running = take(share)
    push(share, "b1", "a4", "b2")
    assert share.reenqueued == {"a": 1}
    assert share.is_back("a", lambda entry: entry == "a4")
    share.complete(running, 0.001)
    done = order(share)
    assert max(map(done.index, ("a2", "a3", "b1"))) < done.index("a4")


def test_a_majority_that_does_not_run_is_not() -> None:
    share = make()
    push(share, "a1", "a2", "a3", "a4")
    assert not share.reenqueued


def test_one_that_runs_and_is_no_majority_is_not() -> None:
    share = make()
    push(share, "a1")
    take(share)
    push(share, "b1", "b2", "a2")
    assert not share.reenqueued


def test_only_the_first_entries_are_examined() -> None:
    share = make(examined=2)
    push(share, "b1", "a0")
    taken = take(share)
    assert taken.entry == "b1"
    push(share, "b2", *(f"c{number}" for number in range(5)))
    assert not share.reenqueued
    push(share, "a1")
    assert not share.reenqueued, "one of the first two is not most of them"


def test_what_follows_an_entry_that_was_put_back_stays_behind_it() -> None:
    share = make()
    push(share, "a1", "a2")
    running = take(share)
    share.push("a", "k", "a3")
    push(share, "b1", "b2", "b3")
    share.push("a", "k", "a4")
    assert share.reenqueued["a"] == 2
    share.complete(running, 0.001)
    done = order(share)
    assert done.index("a3") < done.index("a4")
    assert sorted(done) == ["a2", "a3", "a4", "b1", "b2", "b3"]


def test_no_slot_stays_empty_for_an_entry_that_was_put_back() -> None:
    share = make()
    push(share, "a1", "a2")
    take(share)
    push(share, "a3")
    assert share.reenqueued["a"] == 1
    assert [take(share).entry, take(share).entry] == ["a2", "a3"]
    assert share.take() is None


def test_they_count_as_waiting() -> None:
    share = make()
    push(share, "a1", "a2")
    take(share)
    push(share, "a3")
    assert (len(share), share.depth("a")) == (2, 2)


def test_withdrawing_finds_them_too() -> None:
    share = make()
    push(share, "a1", "a2")
    take(share)
    push(share, "a3")
    assert sorted(share.withdraw(lambda entry: entry != "a2")) == ["a3"]
    assert len(share) == 1


def test_a_successor_controls_the_flow_too() -> None:
    share = make().successor()
    push(share, "a1", "a2")
    take(share)
    push(share, "a3")
    assert share.reenqueued["a"] == 1


@given(
    size=st.integers(1, 8),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=200),
)
def test_the_first_entries_are_those_of_a_plain_queue(size: int, steps: list[tuple[bool, str]]) -> None:
    first, queue = FirstEntries(size), deque[str]()
    for adds, tenant in steps:
        if adds:
            first.add(tenant)
            queue.append(tenant)
        elif tenant in queue:
            first.remove(tenant)
            queue.remove(tenant)  # the oldest one
        window = Counter(list(queue)[:size])
        for name in "abc":
            assert first.is_majority(name) == (2 * window[name] > sum(window.values()))


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.sampled_from("abc"), st.sampled_from([None, "k"])),
            st.tuples(st.just("take"), st.just(""), st.none()),
            st.tuples(st.just("end"), st.just(""), st.none()),
        ),
        max_size=120,
    ),
    examined=st.integers(1, 6),
)
def test_nothing_is_lost_and_a_key_keeps_its_order(steps: list[tuple[str, str, str | None]], examined: int) -> None:
    share: FlowControlledShare[int] = FlowControlledShare(examined=examined)
    pushed: list[tuple[str, str | None, int]] = []
    taken: list[Taken[int]] = []
    out: list[Taken[int]] = []
    for what, tenant, key in steps:
        if what == "push":
            pushed.append((tenant, key, len(pushed)))
            share.push(tenant, key, len(pushed) - 1)
        elif what == "take" and (one := share.take()) is not None:
            taken.append(one)
            out.append(one)
        elif what == "end" and out:
            share.complete(out.pop(0), 0.001)
        share.validate()
    while out or len(share):
        while (one := share.take()) is not None:
            taken.append(one)
            out.append(one)
        share.complete(out.pop(), 0.001)
    assert sorted(one.entry for one in taken) == list(range(len(pushed)))
    for tenant in "abc":
        for key in (None, "k"):
            order_in = [number for *owner, number in pushed if owner == [tenant, key]]
            assert [one.entry for one in taken if (one.tenant, one.key) == (tenant, key)] == order_in
