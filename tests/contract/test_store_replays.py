"""Stored events that are run again: found in bounded looks, and requests with their progress."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.durable.ids import MAX_ID, IdSource
from runtime.store.audit import AuditEntry, AuditFilter
from runtime.store.port import Store
from runtime.store.records import Batch, Delayed, Event, Outcome, OutcomeKind, ReplayStep
from runtime.store.replays import ReplayFilter, ReplayRequest
from tests.records import NOW, died, done, make_event, make_events, new_id

FIRST = UUID(int=0)
AUDIT = AuditEntry(action="replay", by="ann", at=NOW)


def request(**fields: object) -> ReplayRequest:
    usual = {"id": new_id(), "by": "ann", "at": NOW, "which": ReplayFilter(service="trips"), "to": None, "matched": 3}
    return ReplayRequest(**{**usual, **fields})  # type: ignore[arg-type] # the tests' own


async def found(store: Store, **which: object) -> list[Event]:
    chosen = ReplayFilter(**which)  # type: ignore[arg-type] # the tests' own
    return (await store.replays.look(chosen, FIRST, MAX_ID, 100, payloads=True)).events


async def test_events_that_have_ended_are_found_in_the_order_of_their_ids(store: Store) -> None:
    events = make_events(5, depth=1, headers=b"{}")
    entries = await store.commit(Batch(events=events, delayed=[Delayed(make_event(), NOW + 5)]))
    await store.commit(Batch(outcomes=[done(entries[0]), Outcome(entries[2].seq, OutcomeKind.ABORTED, NOW, NOW)]))
    await store.commit(died(entries[1]))
    again = msgspec.structs.replace(events[3], attempt=2)
    retry = Outcome(entries[3].seq, OutcomeKind.RETRY, NOW, NOW, "OSError: gone")
    await store.commit(Batch(outcomes=[retry], delayed=[Delayed(again, NOW)]))
    assert await found(store) == events[:3]
    [second] = await store.release_due(NOW, 1)
    assert await found(store) == events[:3]
    await store.commit(Batch(outcomes=[done(second)]))
    assert await found(store) == events[:4]


async def test_a_filter_chooses_by_service_tenant_type_outcome_and_id(store: Store) -> None:
    first, other, dead = make_event(), make_event(service="other", tenant="b", type="Cancel"), make_event()
    entries = await store.commit(Batch(events=[first, other, dead]))
    await store.commit(Batch(outcomes=[done(entries[0]), done(entries[1])]))
    await store.commit(died(entries[2]))
    assert await found(store, service="other") == [other]
    assert await found(store, tenant="b") == [other]
    assert await found(store, type="Cancel") == [other]
    assert await found(store, outcome="failed") == [dead]
    assert await found(store, outcome="completed") == [first, other]
    assert await found(store, outcome="aborted") == []
    looked = await store.replays.look(ReplayFilter(), FIRST, MAX_ID, 100, payloads=False)
    assert looked.completed == {first.id, other.id}
    assert await found(store, ids=[dead.id, first.id, new_id()]) == [first, dead]
    assert await found(store, ids=[dead.id], outcome="completed") == []


async def test_a_look_is_bounded_and_says_where_to_go_on(store: Store) -> None:
    events = make_events(5)
    entries = await store.commit(Batch(events=events))
    await store.commit(Batch(outcomes=[done(entry) for entry in entries[1:]]))
    which = ReplayFilter()
    first = await store.replays.look(which, FIRST, MAX_ID, 3, payloads=False)
    assert [event.id for event in first.events] == [event.id for event in events[1:3]]
    assert first.last == events[2].id
    rest = await store.replays.look(which, events[2].id, MAX_ID, 3, payloads=True)
    assert (rest.events, rest.last) == (events[3:], None)
    assert (await store.replays.look(which, FIRST, events[3].id, 100, payloads=True)).events == events[1:3]


async def test_a_request_is_noted_once_and_audited_once(store: Store) -> None:
    asked = request(to="audits", which=ReplayFilter(outcome="failed", since=NOW, ids=[new_id()]))
    await store.replays.request(asked, AUDIT)
    await store.replays.request(msgspec.structs.replace(asked, matched=9), AUDIT)
    assert await store.replays.find(asked.id) == asked
    assert await store.replays.find(new_id()) is None
    assert len(await store.audit.lines(AuditFilter())) == 1


async def test_progress_goes_with_the_new_events(store: Store) -> None:
    first, second = request(), request(id=IdSource(lambda: NOW + 1).new_id())
    for each in (second, first):
        await store.replays.request(each, AUDIT)
    assert [each.id for each in await store.replays.unfinished(10)] == [first.id, second.id]
    reached = new_id()
    batch = Batch(events=make_events(2))
    batch.extra().replays.append(ReplayStep(first.id, FIRST, reached, 2, None, refused=1))
    await store.commit(batch)
    view = await store.replays.find(first.id)
    assert view is not None
    assert (view.position, view.replayed, view.refused, view.finished_at) == (reached, 2, 1, None)
    stale = Batch(events=make_events(1))
    stale.extra().replays.append(ReplayStep(first.id, FIRST, new_id(), 5, None))
    await store.commit(stale)
    last = Batch()
    last.extra().replays.append(ReplayStep(first.id, reached, reached, 0, NOW + 9, refused=2))
    await store.commit(last)
    view = await store.replays.find(first.id)
    assert view is not None
    assert (view.position, view.replayed, view.refused, view.finished_at) == (reached, 2, 3, NOW + 9)
    assert [each.id for each in await store.replays.unfinished(10)] == [second.id]
