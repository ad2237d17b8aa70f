"""Caps and holds: who may have an entry started, and that nobody else waits for it."""

from __future__ import annotations

import pytest

from actors.errors import SpecError
from runtime.core.fair_share import FairShare, Taken
from runtime.core.slot_account import SlotAccount


def share_of(*entries: str, cost: int = 1) -> FairShare[str]:
    """Entries named by their tenant and a number, such as `a1`."""
    share: FairShare[str] = FairShare(slots_per_entry=cost)
    for entry in entries:
        share.push(entry[0], None, entry)
    return share


def take_all(share: FairShare[str]) -> list[Taken[str]]:
    taken = []
    while (one := share.take()) is not None:
        taken.append(one)
    share.validate()
    return taken


def names(taken: list[Taken[str]]) -> list[str]:
    return [one.entry for one in taken]


class TestCap:
    def test_a_tenant_fills_no_more_slots_than_its_cap_and_others_do_not_wait_for_it(self) -> None:
        share = share_of("a1", "a2", "a3", "b1", "b2")
        share.set_cap("a", 1)
        assert names(take_all(share)) == ["a1", "b1", "b2"]

    def test_a_slot_that_becomes_free_goes_to_the_capped_tenant_again(self) -> None:
        share = share_of("a1", "a2", "a3")
        share.set_cap("a", 2)
        first, _ = take_all(share)
        share.complete(first, 0.001)
        assert names(take_all(share)) == ["a3"]

    def test_a_chunk_fills_one_slot(self) -> None:
        share = share_of("a1", "a2", "a3", "a4")
        share.set_cap("a", 1)
        chunk = share.take_chunk(3)
        assert names(chunk) == ["a1", "a2", "a3"]
        assert share.take_chunk(3) == []
        for taken in chunk:
            share.complete(taken, 0.001)
        assert names(share.take_chunk(3)) == ["a4"]
        share.validate()

    def test_an_entry_may_cost_several_slots(self) -> None:
        share = share_of("a1", "a2", "a3", cost=3)
        share.set_cap("a", 8)
        assert names(take_all(share)) == ["a1", "a2"]

    def test_a_cap_that_is_lowered_stops_nothing_that_runs(self) -> None:
        share = share_of("a1", "a2", "a3", "a4")
        out = [share.take(), share.take(), share.take()]
        share.set_cap("a", 2)
        for taken in out[:1]:
            assert taken is not None
            share.complete(taken, 0.001)
        assert take_all(share) == []
        assert out[1] is not None
        share.complete(out[1], 0.001)
        assert names(take_all(share)) == ["a4"]

    def test_a_cap_is_known_again_when_an_idle_tenant_comes_back(self) -> None:
        share = share_of()
        share.set_cap("a", 1)
        for entry in ("a1", "a2"):
            share.push("a", None, entry)
        assert names(take_all(share)) == ["a1"]

    def test_lifting_the_cap_lets_the_backlog_go(self) -> None:
        share = share_of("a1", "a2")
        share.set_cap("a", 1)
        take_all(share)
        share.set_cap("a", None)
        assert names(take_all(share)) == ["a2"]

    def test_a_capped_tenant_earns_no_credit_while_it_is_capped(self) -> None:
        share = share_of(*(f"a{n}" for n in range(9)), *(f"b{n}" for n in range(9)))
        share.set_cap("a", 1)
        held = share.take()
        for _ in range(8):
            taken = share.take()
            assert taken is not None
            assert taken.tenant == "b"
            share.complete(taken, 1.0)
        assert held is not None
        share.complete(held, 1.0)
        share.set_cap("a", None)
        assert share.terms("a").cap > 1
        behind = next(each for each in share.tenants() if each.tenant == "a")
        assert behind.lag <= 1.0

    @pytest.mark.parametrize("slots", [1, 2, -1, 10_000_000])
    def test_a_cap_that_lets_nothing_run_is_refused(self, slots: int) -> None:
        with pytest.raises(SpecError, match="slots"):
            share_of(cost=3).set_cap("a", slots)

    def test_with_a_cap_of_0_nothing_is_started_until_it_is_raised(self) -> None:
        share = share_of("a1", "b1")
        share.set_cap("a", 0)
        assert (names(take_all(share)), list(share.bound()), share.ready("a")) == (["b1"], ["a"], 1)
        share.set_cap("a", 1)
        assert names(take_all(share)) == ["a1"]
        share.set_default(1.0, 0)
        share.push("c", None, "c1")
        assert take_all(share) == []

    def test_those_that_may_start_nothing_are_named_all_round_from_where_the_last_one_was(self) -> None:
        share = share_of("a1", "b1", "c1", "d1")
        for tenant in "acd":
            share.set_cap(tenant, 0)
        assert next(share.bound()) == "a"
        assert list(share.bound()) == ["c", "d", "a"]
        assert [share.is_bound(tenant) for tenant in "abx"] == [True, False, False]


class TestHold:
    def test_nothing_of_a_held_tenant_is_started_and_everyone_else_goes_on(self) -> None:
        share = share_of("a1", "b1")
        share.hold("a", "paused")
        assert names(take_all(share)) == ["b1"]

    def test_what_runs_when_the_hold_begins_comes_to_its_end(self) -> None:
        share = share_of("a1", "a2")
        taken = share.take()
        share.hold("a", "paused")
        assert taken is not None
        share.complete(taken, 0.001)
        assert take_all(share) == []
        assert share.depth("a") == 1

    def test_entries_may_be_pushed_and_wait(self) -> None:
        share = share_of()
        share.hold("a", "paused")
        share.push("a", "k", "a1")
        share.push("a", "k", "a2")
        assert take_all(share) == []
        assert len(share) == 2
        share.release("a", "paused")
        assert names(take_all(share)) == ["a1"]

    def test_each_reason_is_taken_off_by_itself(self) -> None:
        share = share_of("a1")
        for reason in ("paused", "breaker", "paused"):
            share.hold("a", reason)
        share.release("a", "paused")
        assert take_all(share) == []
        assert share.terms("a").holds == {"breaker"}
        share.release("a", "breaker")
        assert names(take_all(share)) == ["a1"]

    def test_releasing_what_was_not_held_changes_nothing(self) -> None:
        share = share_of("a1")
        share.release("a", "paused")
        assert names(take_all(share)) == ["a1"]

    def test_weights_caps_and_holds_pass_to_the_successor(self) -> None:
        share = share_of("a1")
        share.set_weight("a", 2.0)
        share.set_cap("b", 1)
        share.hold("c", "paused")
        after = share.successor()
        assert len(after) == 0
        assert [after.terms(tenant) for tenant in "abc"] == [share.terms(tenant) for tenant in "abc"]

    def test_a_hold_and_a_cap_are_independent(self) -> None:
        share = share_of("a1", "a2")
        share.hold("a", "paused")
        share.set_cap("a", 1)
        share.release("a", "paused")
        assert names(take_all(share)) == ["a1"]


class TestAccount:
    def test_a_cap_over_two_services_counts_both(self) -> None:
        woken: list[str] = []
        first: FairShare[str] = FairShare(wake=lambda: woken.append("first"))
        second: FairShare[str] = FairShare(wake=lambda: woken.append("second"))
        account = SlotAccount("a", 2)
        for share in (first, second):
            share.charge_to("a", account)
            for entry in ("a1", "a2", "b1"):
                share.push(entry[0], None, entry)
        [one, *_] = out = take_all(first)
        assert names(out) == ["a1", "b1", "a2"]
        assert names(take_all(second)) == ["b1"]
        first.complete(one, 0.001)
        assert woken == ["second"]
        assert names(take_all(second)) == ["a1"]
        first.validate()

    def test_slots_filled_before_the_account_was_opened_count(self) -> None:
        share = share_of("a1", "a2")
        share.take()
        account = SlotAccount("a", 1)
        share.charge_to("a", account)
        assert account.filled == 1
        assert take_all(share) == []

    def test_raising_the_cap_brings_the_tenant_back(self) -> None:
        share = share_of("a1", "a2")
        account = SlotAccount("a", 1)
        share.charge_to("a", account)
        take_all(share)
        account.set_cap(2)
        assert names(take_all(share)) == ["a2"]

    def test_a_scheduler_that_is_replaced_frees_what_it_filled(self) -> None:
        ended, other = share_of("a1"), share_of("a2")
        account = SlotAccount("a", 1)
        for share in (ended, other):
            share.charge_to("a", account)
        assert names(take_all(ended)) == ["a1"]
        assert take_all(other) == []
        replaced = ended.successor()
        assert names(take_all(other)) == ["a2"]
        replaced.push("a", None, "a3")
        assert take_all(replaced) == []
