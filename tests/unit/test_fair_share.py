from __future__ import annotations

import math

import pytest

from actors.errors import SpecError
from runtime.core import fair_share_heap, fair_share_idle
from runtime.core.fair_share import FairShare, Taken, TenantShare


def take(share: FairShare[str]) -> Taken[str]:
    taken = share.take()
    assert taken is not None
    return taken


def standing(share: FairShare[str], tenant: str) -> TenantShare:
    return next(each for each in share.tenants() if each.tenant == tenant)


def run_all(share: FairShare[str], seconds: float) -> list[str]:
    order = []
    while (taken := share.take()) is not None:
        order.append(taken.entry)
        share.complete(taken, seconds)
        share.validate()
    return order


class TestMisuse:
    def test_an_entry_is_completed_once(self) -> None:
        share: FairShare[str] = FairShare()
        share.push("a", None, "a1")
        taken = take(share)
        share.complete(taken, 1.0)
        with pytest.raises(ValueError, match="not out"):
            share.complete(taken, 1.0)
        share.validate()

    @pytest.mark.parametrize("seconds", [-0.1, math.nan, math.inf])
    def test_a_run_time_that_would_corrupt_the_order_is_refused_and_changes_nothing(self, seconds: float) -> None:
        share: FairShare[str] = FairShare()
        share.push("a", "k", "a1")
        share.push("a", "k", "a2")
        taken = take(share)
        with pytest.raises(ValueError, match="out of range"):
            share.complete(taken, seconds)
        assert share.running == 1
        share.complete(taken, 1.0)
        assert take(share).entry == "a2"

    @pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
    def test_a_weight_must_be_finite_and_above_0(self, weight: float) -> None:
        share: FairShare[str] = FairShare()
        with pytest.raises(SpecError, match="weight"):
            share.set_weight("a", weight)

    def test_an_estimate_of_0_is_refused(self) -> None:
        with pytest.raises(SpecError, match="default_estimate_seconds"):
            FairShare(default_estimate_seconds=0.0)

    def test_an_empty_scheduler_has_nothing_to_give(self) -> None:
        share: FairShare[str] = FairShare()
        assert share.take() is None
        assert share.take_chunk(3) == []
        assert len(share) == share.depth("a") == 0
        share.validate()


class TestTurns:
    def test_equal_tenants_take_turns_in_the_order_they_came(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        for entry in ("a1", "a2", "a3", "b1", "b2", "c1"):
            share.push(entry[0], None, entry)
        assert run_all(share, 1.0) == ["a1", "b1", "c1", "a2", "b2", "a3"]

    def test_tenants_take_turns_even_if_the_clock_sees_no_time_pass(self) -> None:
        share: FairShare[str] = FairShare()
        for entry in ("a1", "a2", "b1", "b2"):
            share.push(entry[0], None, entry)
        assert run_all(share, 0.0) == ["a1", "b1", "a2", "b2"]

    def test_a_tenant_with_slow_handlers_gets_fewer_turns(self) -> None:
        share: FairShare[str] = FairShare()
        for number in range(100):
            share.push("slow", None, f"slow{number}")
            share.push("fast", None, f"fast{number}")
        order = []
        for _ in range(55):
            taken = take(share)
            order.append(taken.tenant)
            share.complete(taken, 1.0 if taken.tenant == "slow" else 0.1)
        assert 4 <= order.count("slow") <= 6

    def test_weight_multiplies_the_share(self) -> None:
        share: FairShare[str] = FairShare()
        share.set_weight("a", 3.0)
        for number in range(100):
            share.push("a", None, f"{number}")
            share.push("b", None, f"{number}")
        tenants = []
        for _ in range(80):
            taken = take(share)
            tenants.append(taken.tenant)
            share.complete(taken, 1.0)
        assert 58 <= tenants.count("a") <= 62

    def test_a_new_weight_holds_from_now_on_and_for_what_is_out(self) -> None:
        share: FairShare[str] = FairShare()
        share.push("a", None, "a1")
        taken = take(share)
        share.set_weight("a", 4.0)
        share.complete(taken, 2.0)
        assert standing(share, "a").start_tag == pytest.approx(0.5)
        share.set_weight("a", 1.0)
        assert standing(share, "a").weight == 1.0

    def test_a_million_entries_of_another_do_not_delay_the_first_of_a_quiet_tenant(self) -> None:
        share: FairShare[str] = FairShare()
        for _ in range(10_000):
            share.push("busy", None, "busy")
        share.complete(take(share), 1.0)
        share.push("quiet", None, "quiet")
        assert take(share).entry == "quiet"


class TestCharge:
    def test_an_idle_tenant_earns_no_credit(self) -> None:
        share: FairShare[str] = FairShare()
        for _ in range(100):
            share.push("busy", None, "busy")
        for _ in range(50):
            share.complete(take(share), 1.0)
        for number in range(20):
            share.push("idle", None, f"idle{number}")
        order = []
        for _ in range(20):
            taken = take(share)
            order.append(taken.tenant)
            share.complete(taken, 1.0)
        assert 9 <= order.count("idle") <= 11

    def test_an_underestimated_run_is_charged_while_its_tenant_waits(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        for entry in ("a1", "a2", "b1", "b2", "b3", "b4"):
            share.push(entry[0], None, entry)
        a1 = take(share)
        share.complete(a1, 3.5)
        assert run_all(share, 1.0) == ["b1", "b2", "b3", "b4", "a2"]

    def test_an_overestimated_run_brings_its_waiting_tenant_forward(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        for entry in ("a1", "a2", "a3", "b1", "b2"):
            share.push(entry[0], None, entry)
        a1, b1 = take(share), take(share)
        assert take(share).entry == "a2"
        share.complete(b1, 0.9)
        share.complete(a1, 0.1)
        share.validate()
        assert take(share).entry == "b2"  # 0.9 against the 0.1 known of a1 and the estimate of a2
        assert take(share).entry == "a3"

    def test_a_long_run_that_shared_its_time_is_not_charged_again_to_later_work(self) -> None:
        """What others used meanwhile lifted the virtual time past it: paying from there on would be paying twice."""
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        share.push("a", None, "long")
        long = take(share)
        for _ in range(30):
            share.push("busy", None, "busy")
        for _ in range(12):
            share.complete(take(share), 1.0)
        share.push("a", None, "short")
        assert take(share).entry == "short"
        before = standing(share, "a").start_tag
        share.complete(long, 10.0)
        assert standing(share, "a").start_tag == before
        share.validate()

    def test_an_overestimate_that_is_corrected_after_the_tenant_came_back_earns_no_credit(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=5.0)
        share.push("a", None, "a1")
        a1 = take(share)
        for _ in range(6):
            share.push("busy", None, "busy")
        for _ in range(4):
            share.complete(take(share), 1.0)
        share.push("a", None, "a2")
        virtual = share.virtual_time
        assert standing(share, "a").start_tag == 5.0
        share.complete(a1, 0.1)
        assert standing(share, "a").start_tag == virtual == 3.0
        share.validate()

    def test_serving_a_tenant_that_is_owed_does_not_turn_virtual_time_back(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        for entry in ("a1", "a2", "b1", "b2"):
            share.push(entry[0], None, entry)
        _, b1, _ = take(share), take(share), take(share)
        share.complete(b1, 0.25)
        assert standing(share, "b").lag == 0.75
        assert take(share).entry == "b2"
        share.push("c", None, "c1")
        assert standing(share, "c").start_tag == share.virtual_time == 1.0

    def test_what_was_used_while_nobody_else_wanted_it_is_forgiven(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        share.push("a", None, "a0")
        share.complete(take(share), 1000.0)
        for entry in ("a1", "b1", "a2", "b2"):
            share.push(entry[0], None, entry)
        assert run_all(share, 1.0) == ["a1", "b1", "a2", "b2"]

    def test_a_new_tenant_is_estimated_by_what_others_used(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        for _ in range(100):
            share.push("a", None, "a")
            share.complete(take(share), 9.0)
        share.push("b", None, "b")
        assert standing(share, "b").estimate_seconds == pytest.approx(9.0, rel=0.01)


class TestKeys:
    def test_a_running_key_holds_back_its_own_entries_and_no_others(self) -> None:
        share: FairShare[str] = FairShare()
        for key, entry in (("k", "k1"), ("k", "k2"), ("l", "l1"), (None, "n1"), (None, "n2")):
            share.push("a", key, entry)
        k1 = take(share)
        assert [take(share).entry for _ in range(3)] == ["l1", "n1", "n2"]
        assert share.take() is None
        assert share.depth("a") == len(share) == 1
        share.complete(k1, 1.0)
        assert take(share).entry == "k2"

    def test_the_same_key_of_two_tenants_is_two_keys(self) -> None:
        share: FairShare[str] = FairShare()
        share.push("a", "k", "a1")
        share.push("b", "k", "b1")
        assert {take(share).entry, take(share).entry} == {"a1", "b1"}

    def test_a_tenant_held_back_by_its_own_key_earns_no_credit(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
        share.push("a", "k", "k1")
        share.push("a", "k", "k2")
        k1 = take(share)
        for _ in range(20):
            share.push("busy", None, "busy")
        for _ in range(15):
            share.complete(take(share), 1.0)
        share.complete(k1, 1.0)
        assert standing(share, "a").start_tag == share.virtual_time

    def test_keys_are_forgotten_when_nothing_of_them_is_left(self) -> None:
        share: FairShare[str] = FairShare()
        for number in range(1000):
            share.push("a", f"k{number}", "")
        run_all(share, 0.001)
        assert not share._tenants["a"].keys


class TestChunk:
    def test_a_chunk_is_of_one_tenant_and_leaves_the_turn_to_the_next(self) -> None:
        share: FairShare[str] = FairShare()
        for entry in ("a1", "a2", "a3", "b1", "b2"):
            share.push(entry[0], None, entry)
        assert [taken.entry for taken in share.take_chunk(2)] == ["a1", "a2"]
        assert [taken.entry for taken in share.take_chunk(9)] == ["b1", "b2"]
        assert [taken.entry for taken in share.take_chunk(9)] == ["a3"]
        share.validate()

    def test_a_key_repeats_in_a_chunk_in_order_and_is_free_when_all_of_it_completed(self) -> None:
        share: FairShare[str] = FairShare()
        for key, entry in (("k", "k1"), ("k", "k2"), ("l", "l1"), ("k", "k3"), ("k", "k4")):
            share.push("a", key, entry)
        chunk = share.take_chunk(4)
        assert [taken.entry for taken in chunk] == ["k1", "l1", "k2", "k3"]
        for taken in (chunk[2], chunk[0], chunk[1]):
            share.complete(taken, 1.0)
            share.validate()
            assert share.take() is None
        share.complete(chunk[3], 1.0)
        assert take(share).entry == "k4"

    def test_a_chunk_is_charged_whole_at_dispatch(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=2.0)
        for _ in range(5):
            share.push("a", None, "a")
        chunk = share.take_chunk(4)
        assert standing(share, "a").start_tag == 8.0
        for taken in chunk:
            share.complete(taken, 1.0)
        assert standing(share, "a").start_tag == 4.0


class TestMemory:
    def test_idle_tenants_without_debt_are_forgotten(self) -> None:
        share: FairShare[str] = FairShare()
        for number in range(5000):
            share.push(f"t{number}", None, "")
            share.complete(take(share), 0.001)
        share.validate()
        assert len(list(share.tenants())) <= fair_share_idle.IDLE_KEPT + 1

    def test_a_configured_weight_outlives_the_state_of_its_tenant(self) -> None:
        share: FairShare[str] = FairShare()
        share.set_weight("a", 5.0)
        share.push("a", None, "")
        run_all(share, 1.0)
        for number in range(1000):
            share.push(f"t{number}", None, "")
            share.complete(take(share), 0.001)
        assert "a" not in {each.tenant for each in share.tenants()}
        share.push("a", None, "")
        assert standing(share, "a").weight == 5.0

    def test_corrections_do_not_fill_the_heap(self) -> None:
        share: FairShare[str] = FairShare(default_estimate_seconds=1000.0)
        for _ in range(5000):
            for tenant in ("a", "b", "c"):
                share.push(tenant, None, "")
        out = [take(share) for _ in range(8)]
        for _ in range(10_000):
            share.complete(out.pop(0), 0.001)
            out.append(take(share))
        assert len(share._heap._places) <= 2 * 3 + fair_share_heap.STALE_KEPT + 1
        share.validate()


def test_statistics_say_how_each_tenant_stands() -> None:
    share: FairShare[str] = FairShare(default_estimate_seconds=1.0)
    share.set_weight("a", 2.0)
    share.push("a", "k", "")
    share.push("a", "k", "")
    share.complete(take(share), 3.0)
    take(share)
    share.push("a", "k", "")
    share.push("b", None, "")
    a, b = standing(share, "a"), standing(share, "b")
    assert (a.weight, a.waiting, a.running, a.used_seconds) == (2.0, 1, 1, 3.0)
    assert a.lag == share.virtual_time - a.start_tag < 0.0
    assert (b.waiting, b.running, b.lag) == (1, 0, 0.0)
    assert share.running == 1


def test_heads_are_the_entries_that_each_waiting_tenant_would_start_with() -> None:
    fair: FairShare[int] = FairShare()
    for entry in range(4):
        fair.push(f"t{entry % 2}", None, entry)
    fair.take()
    assert sorted(fair.heads()) == [1, 2]


class TestAnEntryThatIsAway:
    """Held under a key, completed, and resumed first: what callouts do."""

    def test_it_comes_back_before_all_others_of_its_tenant_and_waits_for_the_cap(self) -> None:
        share: FairShare[str] = FairShare()
        share.set_cap("a", 1)
        for entry in ("a1", "a2", "a3"):
            share.push("a", None, entry)
        away = take(share)
        share.hold_key("a", "away", [away.entry])
        share.complete(away, 1.0)
        second = take(share)
        assert second.entry == "a2"
        share.resume_key("a", "away", first=True)
        assert share.take() is None
        share.complete(second, 1.0)
        share.validate()
        assert run_all(share, 1.0) == ["a1", "a3"]

    def test_it_pays_for_what_it_used_before_and_after_alone(self) -> None:
        share: FairShare[str] = FairShare()
        share.push("a", "k", "a1")
        away = take(share)
        share.hold_key("a", "k", ["a1"])
        share.complete(away, 2.0)
        share.resume_key("a", "k", first=True)
        share.complete(take(share), 1.0)
        assert standing(share, "a").used_seconds == 3.0
        share.validate()
