"""Schedules in every store: changes are compared with what was read, and go with the events that they bring."""

from __future__ import annotations

import msgspec
import pytest

from runtime.core.policy import Policy, Scope
from runtime.core.schedule import Schedule
from runtime.core.schedule_standing import Standing, ran
from runtime.errors import ConflictError
from runtime.store.audit import AuditEntry, AuditFilter
from runtime.store.policies import Bundle, PolicyChange
from runtime.store.port import Store
from runtime.store.records import Batch, Delayed, Event, OutcomeKind, ScheduleStep, StoredState
from runtime.store.schedules import Address, Run, ScheduleChange, ScheduleFilter, Source, StoredSchedule
from tests.contract.conftest import Backend
from tests.records import NOW, done, make_event, new_id

MOST = 3
AUDIT = AuditEntry(action="set_schedule", by="ann", at=NOW, target="acme/nightly")
WAITING = Standing(next_at=NOW + 60, look_at=NOW, waiting_at=NOW)


def stored(
    name: str = "nightly", tenant: str = "acme", source: Source = "people", standing: Standing = WAITING
) -> StoredSchedule:
    payload = msgspec.Raw(b'{ "n": 1.50, "text": "\\u0000\xc3\xbc" }')
    schedule = Schedule(tenant=tenant, name=name, cron="* * * * *", service="trips", type="Book", payload=payload)
    return StoredSchedule(schedule=schedule, source=source, standing=standing, revision=0, at=NOW, by="ann")


async def add(store: Store, *schedules: StoredSchedule) -> None:
    await store.schedules.change([ScheduleChange(each.address, 0, each) for each in schedules], [AUDIT], MOST)


async def found(store: Store, name: str = "nightly", tenant: str = "acme") -> StoredSchedule:
    known = await store.schedules.find(tenant, name)
    assert known is not None
    return known


async def listed(store: Store, **which: object) -> list[Address]:
    page = await store.schedules.page(ScheduleFilter(**which))  # type: ignore[arg-type] # the tests' own
    return [each.address for each in page]


async def test_a_schedule_is_found_as_it_was_added(store: Store) -> None:
    await add(store, stored())
    known = await found(store)
    assert known.revision > 0
    assert msgspec.structs.replace(known, revision=0) == stored()
    assert await store.schedules.find("acme", "weekly") is None
    assert [line.target for line in await store.audit.lines(AuditFilter())] == ["acme/nightly"]


async def test_a_page_is_chosen_and_goes_on_after_another(store: Store) -> None:
    other = stored("b", "zeta", "app")
    await add(store, stored("b"), stored("a"), stored("a", "beta"), other)
    assert await listed(store) == [("acme", "a"), ("acme", "b"), ("beta", "a"), ("zeta", "b")]
    assert await listed(store, limit=2) == [("acme", "a"), ("acme", "b")]
    assert await listed(store, after=("acme", "b")) == [("beta", "a"), ("zeta", "b")]
    assert await listed(store, tenant="acme", after=("acme", "a")) == [("acme", "b")]
    assert await listed(store, source="app") == [("zeta", "b")]
    assert await listed(store, service="trips", limit=1) == [("acme", "a")]
    assert await listed(store, service="other") == []


async def test_a_change_of_another_revision_is_refused_as_a_whole(store: Store) -> None:
    await add(store, stored())
    known = await found(store)
    changed = msgspec.structs.replace(known, by="bob")
    await store.schedules.change([ScheduleChange(known.address, known.revision, changed)], [], MOST)
    assert (await found(store)).by == "bob"
    for was in (0, known.revision, known.revision + 1000):
        with pytest.raises(ConflictError, match="nightly of acme has changed"):
            await store.schedules.change(
                [ScheduleChange(("acme", "new"), 0, stored("new")), ScheduleChange(known.address, was, changed)],
                [AUDIT],
                MOST,
            )
    assert await listed(store) == [("acme", "nightly")]
    assert len(await store.audit.lines(AuditFilter())) == 1


async def test_a_schedule_that_was_deleted_and_added_has_a_revision_of_its_own(store: Store) -> None:
    await add(store, stored())
    first = await found(store)
    await store.schedules.change([ScheduleChange(first.address, first.revision, None)], [], MOST)
    assert await listed(store) == []
    await add(store, stored())
    assert (await found(store)).revision > first.revision


async def test_a_tenant_has_so_many_schedules_at_most(store: Store) -> None:
    await add(store, *(stored(name) for name in "abc"), stored("a", "other"))
    with pytest.raises(ConflictError, match="acme may have 3 schedules"):
        await add(store, stored("d", "other"), stored("d"))
    assert len(await listed(store)) == 4
    known = await found(store, "a")
    await store.schedules.change(
        [ScheduleChange(known.address, known.revision, None), ScheduleChange(("acme", "d"), 0, stored("d"))], [], MOST
    )
    assert await listed(store, tenant="acme") == [("acme", "b"), ("acme", "c"), ("acme", "d")]


async def test_what_is_due_is_found_the_longest_due_first(store: Store) -> None:
    def at(name: str, look_at: float | None) -> StoredSchedule:
        return stored(name, standing=Standing(next_at=look_at, look_at=look_at))

    assert await store.schedules.next_look() is None
    await add(store, at("b", NOW), at("a", NOW - 5), at("c", NOW + 5))
    await add(store, stored("p", "other", standing=Standing(next_at=None, look_at=None, paused=True)))
    assert await store.schedules.next_look() == NOW - 5
    assert [each.schedule.name for each in await store.schedules.due(NOW, 10)] == ["a", "b"]
    assert [each.schedule.name for each in await store.schedules.due(NOW + 5, 10)] == ["a", "b", "c"]
    assert [each.schedule.name for each in await store.schedules.due(NOW, 1)] == ["a"]
    assert await store.schedules.due(NOW - 6, 10) == []


async def test_a_bundle_with_a_schedule_that_has_changed_changes_nothing(store: Store) -> None:
    changes = [PolicyChange(Scope(None, "acme"), Policy(weight=2.0))]
    bundle = Bundle(changes=changes, posted=[], audits=[AUDIT], by="ann", at=NOW, max_schedules=MOST)
    bundle = msgspec.structs.replace(bundle, schedules=[ScheduleChange(("acme", "nightly"), 0, stored())])
    await store.policies.take_in(bundle)
    assert len(await store.policies.current()) == len(await listed(store)) == 1
    with pytest.raises(ConflictError, match="nightly of acme has changed"):
        await store.policies.take_in(bundle)
    assert await store.policies.version() == 1
    assert len(await store.audit.lines(AuditFilter())) == 1


def firing(known: StoredSchedule) -> tuple[Event, Batch]:
    event = make_event()
    batch = Batch(events=[event])
    batch.extra().schedules.append(ScheduleStep(*known.address, known.revision, ran(known.standing, event.id)))
    return event, batch


async def test_a_moment_brings_one_event_however_many_try(store: Store, backend: Backend) -> None:
    await add(store, stored())
    known = await found(store)
    (event, first), (_, second) = firing(known), firing(known)
    assert [entry.event for entry in await store.commit(first)] == [event]
    with pytest.raises(ConflictError):
        await store.commit(second)
    after = await found(store)
    assert (after.standing.job, after.standing.runs, after.standing.look_at) == (event.id, 1, NOW + 60)
    assert after.revision > known.revision
    assert [entry.event for entry in await store.read_pending(1, 0, 10)] == [event]
    assert await store.schedules.due(NOW, 10) == []


async def test_a_commit_with_a_schedule_that_is_gone_or_changed_writes_nothing(store: Store) -> None:
    await add(store, stored("a"), stored("b"))
    a, b = await found(store, "a"), await found(store, "b")
    _, batch = firing(a)
    batch.extra().schedules.append(ScheduleStep(*b.address, b.revision, b.standing))
    await store.schedules.change([ScheduleChange(b.address, b.revision, None)], [], MOST)
    with pytest.raises(ConflictError):
        await store.commit(batch)
    assert await found(store, "a") == a
    assert await store.find_event(batch.events[0].id) is None


async def test_a_look_that_brings_no_event_is_kept(store: Store) -> None:
    await add(store, stored())
    known = await found(store)
    held = msgspec.structs.replace(WAITING, held="no room", look_at=NOW + 5)
    batch = Batch()
    batch.extra().schedules.append(ScheduleStep(*known.address, known.revision, held))
    assert await store.commit(batch) == []
    assert (await found(store)).standing == held


async def test_a_run_has_ended_when_its_job_has(store: Store) -> None:
    events = [make_event() for _ in range(4)]
    entries = await store.commit(Batch(events=events[:3], delayed=[Delayed(events[3], NOW + 60)]))
    again = msgspec.structs.replace(events[1], attempt=2)
    retry = msgspec.structs.replace(done(entries[1]), kind=OutcomeKind.RETRY)
    await store.commit(Batch(outcomes=[done(entries[0]), retry], delayed=[Delayed(again, NOW)]))
    runs = [Run(event.id, event.service, event.tenant, None) for event in events]
    gone = Run(new_id(), "trips", "acme", None)
    assert await store.schedules.unended([*runs, gone]) == {events[1].id, events[2].id, events[3].id}
    [second] = await store.release_due(NOW, 10)
    assert events[1].id in await store.schedules.unended(runs)
    await store.commit(Batch(outcomes=[done(second)]))
    assert events[1].id not in await store.schedules.unended(runs)
    assert await store.schedules.unended([]) == set()


async def test_a_run_with_a_state_of_its_own_lasts_until_that_has_ended(store: Store) -> None:
    event = make_event(key="k")
    [entry] = await store.commit(Batch(events=[event]))
    await store.commit(Batch(outcomes=[done(entry)]))
    run = Run(event.id, event.service, event.tenant, "k")
    for label, ended, unended in ((None, False, set()), ("busy", False, {event.id}), ("over", True, set())):
        batch = Batch()
        batch.extra().states.append(StoredState(event.service, event.tenant, "k", 1, b"{}", NOW, label, ended))
        await store.commit(batch)
        assert await store.schedules.unended([run]) == unended
        assert await store.schedules.unended([msgspec.structs.replace(run, key=None)]) == set()
