"""Caps of tenants whose entries have classes: counted over all of them, and 0 where other processes have every slot."""

from __future__ import annotations

from runtime.core.classed_share import ClassedShare
from tests.property.classed_world import Job, classed


def share_of(*tenants: str, cost: int = 1) -> ClassedShare[Job]:
    """Each tenant with one entry in each of two classes."""
    share = classed(10, {}, cost=cost)
    push(share, *tenants)
    return share


def push(share: ClassedShare[Job], *tenants: str) -> None:
    for tenant in tenants:
        for work_class in range(2):
            share.push(tenant, None, Job(work_class, work_class, 1.0))


def take_all(share: ClassedShare[Job]) -> list[str]:
    names = []
    while (taken := share.take()) is not None:
        names.append(taken.tenant)
    share.validate()
    return sorted(names)


def test_with_a_cap_of_0_nothing_of_any_class_is_started_until_it_is_raised() -> None:
    share = share_of("a", "b")
    share.set_cap("a", 0)
    assert (take_all(share), set(share.bound()), share.ready("a")) == (["b", "b"], {"a"}, 2)
    share.set_cap("a", 1)
    assert take_all(share) == ["a"]
    share.set_cap("a", 2)
    assert take_all(share) == ["a"]


def test_a_cap_of_0_for_each_tenant_holds_for_those_that_come_later() -> None:
    share = share_of("a")
    share.set_default(1.0, 0)
    push(share, "b")
    share.set_cap("c", 2)
    push(share, "c")
    assert take_all(share) == ["c", "c"]
    share.set_default(1.0, 1)
    assert take_all(share) == ["a", "b"]


def test_who_serves_next_keeps_caps_of_0() -> None:
    share = share_of("a")
    share.set_cap("a", 0)
    heir = share.successor()
    push(heir, "a")
    assert take_all(heir) == []
    heir.set_cap("a", None)
    assert take_all(heir) == ["a", "a"]


def test_a_cap_of_0_holds_entries_of_several_slots_too() -> None:
    share = share_of("a", cost=3)
    share.set_cap("a", 0)
    assert take_all(share) == []
    share.set_cap("a", 3)
    assert take_all(share) == ["a"]


def test_where_other_processes_have_every_slot_of_a_service_no_class_has_one() -> None:
    share = share_of("a")
    share.set_classes(0, {"small": 0.5, "large": 0.5})
    assert take_all(share) == []
    share.set_classes(1, {"small": 0.5, "large": 0.5})
    assert take_all(share) == ["a"]
