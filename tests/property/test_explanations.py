"""A stated reason is true: the event does not start while it is there, and starts when the last one is removed."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.classed_share import ClassedShare
from runtime.core.explanation import Cause, Facts, Owner, expected_seconds, reasons
from runtime.core.fair_share import FairShare, Taken
from runtime.core.scheduler import Scheduler
from runtime.core.slot_account import NO_CAP, SlotAccount
from runtime.core.slot_pool import SlotPool
from runtime.core.work_classes import LARGE, SMALL, WORK_CLASSES
from runtime.durable.service_facts import facts_of
from runtime.durable.slots import Slots

TENANTS = ("a", "b", "c")
ENOUGH = 200


def nobody() -> None:
    """Nobody is woken here."""


class ByNumber:
    """Every third entry is large, the others are small."""

    def class_of(self, entry: int) -> int:
        return LARGE if entry % 3 == 0 else SMALL

    def ran(self, entry: int, seconds: float) -> None:
        """It stays what it is."""


def scheduler(*, classes: bool) -> Scheduler[int]:
    if not classes:
        return FairShare()
    made: ClassedShare[int] = ClassedShare(ByNumber(), [FairShare() for _ in WORK_CLASSES], 1)
    made.set_classes(4, {"small": 0.5, "large": 0.25})
    return made


class World:
    """One service at a random moment."""

    def __init__(self, *, classes: bool = False) -> None:
        self.fair = scheduler(classes=classes)
        self.slots = Slots(ENOUGH, 1, nobody)
        self.pool = SlotPool()
        self.account = SlotAccount("a")
        self.fair.charge_to("a", self.account)
        self.slots.join(self.pool)
        self.slots.open()
        self.out: list[Taken[int]] = []
        self.recording = False

    def pump(self) -> None:
        while self.slots.room > 0 and not self.recording and self.slots.in_turn():
            taken = self.fair.take()
            if taken is None:
                break
            self.slots.take()
            self.out.append(taken)

    def facts(self, tenant: str, entry: int) -> Facts:
        return facts_of(self.fair, self.slots, tenant, lambda other: other == entry, recording=self.recording)

    def remove(self, cause: Cause, tenant: str) -> None:
        """Take away what a reason says is in the way, and nothing else."""
        removals: dict[str, Callable[[], None]] = {
            "hold": lambda: self._release(tenant),
            "service-held": lambda: self.slots.set_terms(self.limit, None),
            "tenant-cap": lambda: self._lift_caps(tenant),
            "service-slots": lambda: self.slots.set_terms(None, self.slots.held),
            "class-slots": lambda: self.fair.set_classes(ENOUGH, {}),
            "process-slots": lambda: self.pool.set_terms(NO_CAP, {}),
            "recording": lambda: setattr(self, "recording", False),
        }
        removals[cause]()

    @property
    def limit(self) -> int | None:
        return None if self.slots.limit == ENOUGH else self.slots.limit

    def _release(self, tenant: str) -> None:
        for reason in ("paused", "breaker"):
            self.fair.release(tenant, reason)

    def _lift_caps(self, tenant: str) -> None:
        self.fair.set_cap(tenant, None)
        self.account.set_cap(NO_CAP)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, str, int]:
    world = World(classes=draw(st.booleans()))
    pushed = draw(
        st.lists(st.tuples(st.sampled_from(TENANTS), st.sampled_from([None, "k", "l"])), min_size=1, max_size=20)
    )
    for number, (tenant, key) in enumerate(pushed):
        world.fair.push(tenant, key, number)
    for tenant in TENANTS:
        world.fair.set_cap(tenant, draw(st.sampled_from([None, None, 1, 2])))
    world.account.set_cap(draw(st.sampled_from([NO_CAP, 1, 2])))
    world.pool.set_terms(draw(st.sampled_from([NO_CAP, 3])), draw(st.sampled_from([{}, {"small": 0.4}])))
    world.slots.set_terms(draw(st.sampled_from([None, 1, 4])), None)
    world.pump()
    for tenant, reason in draw(st.lists(st.tuples(st.sampled_from(TENANTS), st.sampled_from(["paused", "breaker"])))):
        world.fair.hold(tenant, reason)
    world.slots.set_terms(world.limit, draw(st.sampled_from([None, None, "paused"])))
    world.recording = draw(st.booleans())
    started = {taken.entry for taken in world.out}
    waiting = [number for number in range(len(pushed)) if number not in started]
    if not waiting:
        world.fair.push("a", "k", ENOUGH)
        return world, "a", ENOUGH
    number = draw(st.sampled_from(waiting))
    return world, pushed[number][0], number


def started(world: World, entry: int) -> bool:
    return any(taken.entry == entry for taken in world.out)


@settings(max_examples=300, deadline=None)
@given(case=worlds(), data=st.data())
def test_an_event_starts_when_the_last_stated_reason_is_removed_and_not_before(
    case: tuple[World, str, int], data: st.DataObject
) -> None:
    world, tenant, entry = case
    facts = world.facts(tenant, entry)
    stated = list(dict.fromkeys(reason.cause for reason in reasons(facts)))
    removable: list[Cause] = [cause for cause in stated if cause not in {"turn", "key-order"}]
    for cause in data.draw(st.permutations(removable)):
        world.pump()
        assert not started(world, entry), f"it started although {cause} was stated"
        world.remove(cause, tenant)
    world.pump()
    if not {"turn", "key-order"} & set(stated) and not _blocked(world, tenant, entry):
        assert started(world, entry), "nothing was stated any more"
    while not started(world, entry):
        assert world.out, "nothing runs that it could wait for"
        world.fair.complete(world.out.pop(0), 0.001)
        world.slots.give(0)
        for reason in reasons(world.facts(tenant, entry)):
            if reason.cause not in {"turn", "key-order"}:
                world.remove(reason.cause, tenant)
        world.pump()


def _blocked(world: World, tenant: str, entry: int) -> bool:
    """Whether slots, which were few, went to entries that were first, those of its tenant in other classes included."""
    facts = world.facts(tenant, entry)
    if facts.work_class is not None and any(reasons(facts)):
        return True
    return world.slots.room <= 0 or world.slots.pool_is_full


@given(case=worlds())
def test_the_expected_start_is_never_told_while_something_holds_it(case: tuple[World, str, int]) -> None:
    world, tenant, entry = case
    facts = world.facts(tenant, entry)
    told = expected_seconds(facts)
    held = {"hold", "service-held"} & {reason.cause for reason in reasons(facts)}
    assert (told is None) == bool(held)
    assert told is None or (told >= 0 and math.isfinite(told))


def test_what_no_process_runs_and_what_another_one_does_is_told_apart() -> None:
    owners = [None, Owner("one", None), Owner("two", "http://127.0.0.1:8321")]
    [nobody_has], [silent], [asked] = [list(reasons(Facts(owned=False, elsewhere=owner))) for owner in owners]
    assert [nobody_has.cause, silent.cause, asked.cause] == ["no-owner", "elsewhere", "elsewhere"]
    assert "serves no HTTP" in silent.detail
    assert "http://127.0.0.1:8321" in asked.detail
    delayed = reasons(Facts(owned=False, due_in=5.0))
    assert [reason.cause for reason in delayed] == ["no-owner", "backoff"]


def test_the_expected_start_is_told_at_the_pace_of_the_caps_over_all_services() -> None:
    share = FairShare[int](default_estimate_seconds=0.1)
    share.push("acme", None, 1)
    facts = Facts(share=share.standing("acme"), slots=16, ahead=8)
    slower = msgspec.structs.replace(facts, wider_cap=2)
    before, after = expected_seconds(facts), expected_seconds(slower)
    assert before is not None
    assert after == pytest.approx(before * 8)
