"""Tiers: who moves down, who moves up, and when their caps hold."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import SpecError
from runtime.core.fair_share_tenant import TenantShare
from runtime.core.fair_usage import FairUsage, Move, Tiers
from runtime.core.recent_use import RecentUse, noisy_reason

SLOTS = 20


def share(tenant: str, slots: int = 0, waiting: int = 0, used: float = 0.0) -> TenantShare:
    return TenantShare(
        tenant=tenant,
        weight=1.0,
        waiting=waiting,
        running=slots,
        slots=slots,
        start_tag=0.0,
        lag=0.0,
        estimate_seconds=0.01,
        used_seconds=used,
    )


class Watched:
    """A service whose tenants are looked at every second."""

    def __init__(self, tiers: Tiers | None = None) -> None:
        self.usage = FairUsage("mail", tiers or Tiers())
        self.now = 0.0
        self.moves: list[Move] = []

    def see(self, seconds: float, *shares: TenantShare) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            self.moves += self.usage.observe(self.now, self.now + 1e9, SLOTS, shares)

    @property
    def caps(self) -> dict[str, int]:
        return self.usage.caps(SLOTS)

    @property
    def steps(self) -> list[tuple[str, int, int]]:
        return [(move.tenant, move.from_tier, move.to_tier) for move in self.moves]


BIG = share("big", slots=15, waiting=1000)
SMALL = share("small", slots=5, waiting=3)


class TestDown:
    def test_a_tenant_that_dominates_while_others_wait_moves_down_and_is_capped(self) -> None:
        watched = Watched()
        watched.see(5, BIG, SMALL)
        assert watched.steps == []
        watched.see(1, BIG, SMALL)
        assert watched.steps == [("big", 0, 1)]
        assert watched.caps == {"big": 5}

    def test_the_move_has_the_figures_that_caused_it(self) -> None:
        watched = Watched()
        watched.see(6, BIG, SMALL)
        [move] = watched.moves
        assert (move.slots, move.of_slots, move.tenants_waiting, move.seconds) == (15, 20, 1, 5.0)
        assert move.at == 1e9 + 6
        assert str(move) == (
            "tenant big in mail moves from tier 0 to 1: for 5.0 s filled 15 of 20 slots while 1 others waited"
        )

    def test_one_that_goes_on_filling_all_it_may_moves_on_to_the_last_tier(self) -> None:
        watched = Watched()
        watched.see(6, BIG, SMALL)
        watched.see(20, share("big", slots=5, waiting=900), share("small", slots=9, waiting=3))
        assert watched.steps == [("big", 0, 1), ("big", 1, 2)]
        assert watched.caps == {"big": 2}

    def test_without_others_waiting_a_tenant_may_fill_every_slot(self) -> None:
        watched = Watched()
        watched.see(100, share("big", slots=20, waiting=1000), share("small", slots=0))
        assert watched.steps == []

    def test_half_of_the_slots_are_no_domination(self) -> None:
        watched = Watched()
        watched.see(100, share("one", slots=10, waiting=9), share("two", slots=10, waiting=9))
        assert watched.steps == []

    def test_a_break_begins_the_time_anew(self) -> None:
        watched = Watched()
        for _ in range(5):
            watched.see(4, BIG, SMALL)
            watched.see(1, BIG, share("small"))
        assert watched.steps == []


class TestUp:
    def fallen(self) -> Watched:
        watched = Watched()
        watched.see(6, BIG, SMALL)
        watched.moves.clear()
        return watched

    def test_the_cap_ends_with_the_contention_and_the_tier_a_while_later(self) -> None:
        watched = self.fallen()
        watched.see(15, BIG, share("small", slots=1))
        assert watched.caps == {}
        assert watched.steps == []
        watched.see(1, BIG, share("small", slots=1))
        assert watched.steps == [("big", 1, 0)]

    def test_contention_that_comes_back_soon_finds_the_cap_in_force(self) -> None:
        watched = self.fallen()
        watched.see(10, BIG, share("small"))
        watched.see(1, share("big", slots=20, waiting=99), SMALL)
        assert watched.caps == {"big": 5}
        assert watched.steps == []

    def test_a_tenant_that_has_gone_rises_and_is_forgotten(self) -> None:
        watched = self.fallen()
        watched.see(17, share("small", slots=20))
        assert watched.steps == [("big", 1, 0)]
        assert watched.usage.tier("big") == 0
        assert not watched.usage._places

    def test_where_all_that_wait_have_fallen_none_is_capped(self) -> None:
        watched = Watched()
        watched.see(6, BIG, SMALL)
        watched.see(6, share("big", slots=5, waiting=99), share("small", slots=15, waiting=99))
        assert watched.usage.tier("big") == 2
        assert watched.usage.tier("small") == 1
        assert watched.caps == {}, "slots would stay empty"


@given(steps=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=300))
def test_no_tenant_moves_more_often_than_the_times_allow(steps: list[tuple[int, bool]]) -> None:
    watched = Watched()
    for slots, contended in steps:
        watched.see(1, share("big", slots=slots, waiting=9), share("small", waiting=int(contended)))
    times = [move.at for move in watched.moves]
    assert all(later - earlier >= 5.0 for earlier, later in itertools.pairwise(times))
    assert all(move.to_tier - move.from_tier in {-1, 1} for move in watched.moves)


@pytest.mark.parametrize("parts", [(), (1.5,), (0.5, 0.6), (0.5, 0.0), (float("nan"),)])
def test_parts_that_do_not_go_down_are_refused(parts: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="parts"):
        Tiers(parts=parts)


class TestRecentUse:
    def test_half_of_it_is_forgotten_every_half_minute(self) -> None:
        recent = RecentUse()
        recent.observe(0.0, [share("a", used=10.0), share("b", used=0.0)])
        recent.observe(30.0, [share("a", used=10.0), share("b", used=5.0)])
        assert recent.part("a") == pytest.approx(0.5)
        assert recent.part("nobody") == 0.0

    def test_a_tenant_that_the_scheduler_forgot_begins_anew(self) -> None:
        recent = RecentUse()
        recent.observe(0.0, [share("a", used=100.0)])
        recent.observe(1000.0, [])
        recent.observe(1001.0, [share("a", used=2.0), share("b", used=2.0)])
        assert recent.part("a") == pytest.approx(0.5)

    def test_the_label_tells_its_reason_and_is_given_only_while_others_wait(self) -> None:
        told = noisy_reason(BIG, filled=20, recent_part=0.88, others_waiting=10)
        assert told == "fills 15 of 20 slots in use (75%) and had 88% of the recent run time, while 10 tenants wait"
        assert noisy_reason(BIG, filled=20, recent_part=0.88, others_waiting=0) is None
        assert noisy_reason(SMALL, filled=20, recent_part=0.1, others_waiting=1) is None
