"""Entries that are withdrawn while they wait leave everything else as it would be without them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.fair_share import FairShare, Taken

Waiting = tuple[str, str | None, int]

entries = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["k", "l", "m", None]), st.booleans()), min_size=1, max_size=40
)


def filled(pushed: list[tuple[str, str | None, bool]]) -> FairShare[tuple[int, bool]]:
    fair: FairShare[tuple[int, bool]] = FairShare()
    for number, (tenant, key, gone) in enumerate(pushed):
        fair.push(tenant, key, (number, gone))
    return fair


def drain(fair: FairShare[tuple[int, bool]], out: list[Taken[tuple[int, bool]]]) -> list[int]:
    taken = []
    while out or len(fair):
        for one in out:
            fair.complete(one, 0.001)
        out = fair.take_chunk(2)
        taken += [one.entry[0] for one in out]
        fair.validate()
    return taken


@given(entries, st.integers(0, 5))
def test_what_is_withdrawn_never_comes_and_all_else_does_in_the_order_of_its_key(
    pushed: list[tuple[str, str | None, bool]], running: int
) -> None:
    fair = filled(pushed)
    out = [one for _ in range(running) if (one := fair.take()) is not None]
    gone = [number for number, withdrawn in fair.withdraw(lambda entry: entry[1])]
    fair.validate()
    came = [one.entry[0] for one in out]
    assert sorted(gone) == [n for n, (_, _, withdrawn) in enumerate(pushed) if withdrawn and n not in came]
    came += drain(fair, out)
    assert sorted(came + gone) == list(range(len(pushed)))
    for place in {(tenant, key) for tenant, key, _ in pushed if key is not None}:
        for numbers in (came, gone):
            own = [number for number in numbers if pushed[number][:2] == place]
            assert own == sorted(own)


def test_what_is_withdrawn_may_come_back() -> None:
    fair = filled([("a", "k", True), ("a", "k", False), ("a", None, True)])
    back = fair.withdraw(lambda entry: entry[1])
    assert len(fair) == 1
    for entry in back:
        fair.push("a", "k", entry)
    assert drain(fair, []) == [1, 0, 2]


def test_a_tenant_put_aside_whose_entries_are_withdrawn_comes_back_with_new_ones() -> None:
    fair = filled([("a", "k", True)])
    fair.hold("a", "quarantined")
    assert fair.withdraw(lambda _entry: True) == [(0, True)]
    fair.validate()
    fair.push("a", "k", (1, False))
    fair.validate()
    assert fair.take() is None
    fair.release("a", "quarantined")
    assert drain(fair, []) == [1]
