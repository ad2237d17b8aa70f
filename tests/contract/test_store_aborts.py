"""Orders to abort jobs, and the end of one that is delayed."""

from __future__ import annotations

import pytest

from runtime.errors import ConflictError
from runtime.store.aborts import AbortOrder
from runtime.store.port import Store
from runtime.store.records import Batch, Delayed, Event, Outcome, OutcomeKind
from tests.records import NOW, done, make_event, make_events

ABORTED = Outcome(0, OutcomeKind.ABORTED, NOW, NOW, "aborted by ann")


def ending(event: Event, *others: Event) -> Batch:
    batch = Batch(events=[event, *others])
    batch.extra().aborted.append(event.id)
    return batch


async def test_the_first_order_for_a_job_counts_until_it_is_withdrawn(store: Store) -> None:
    first, second = make_events(2)
    order = AbortOrder(first.id, "ann", NOW, "wrong month")
    await store.aborts.order(order)
    await store.aborts.order(AbortOrder(first.id, "bob", NOW))
    other = AbortOrder(second.id, "bob", NOW)
    await store.aborts.order(other)
    assert await store.aborts.orders(10) == [order, other]
    assert await store.aborts.orders(1) == [order]
    await store.aborts.withdraw(first.id)
    assert await store.aborts.orders(10) == [other]


async def test_a_delayed_event_joins_the_log_with_its_outcome(store: Store) -> None:
    event, told, other = make_events(3, headers=b"{}")
    await store.aborts.order(AbortOrder(event.id, "ann", NOW))
    await store.commit(Batch(delayed=[Delayed(event, NOW + 5), Delayed(other, NOW + 5)]))
    batch = ending(event, told)
    places = await store.aborts.end_waiting(batch, ABORTED)
    assert [entry.event for entry in places] == [event, told]
    assert await store.resolve(batch) == places
    assert await store.read_pending(places[0].queue, 0, 10) == [places[1]]
    view = await store.jobs.find(event.id)
    assert view is not None
    assert (view.status, view.error, view.seq) == ("aborted", "aborted by ann", places[0].seq)
    assert await store.aborts.orders(10) == []
    assert [entry.event for entry in await store.release_due(NOW + 5, 10)] == [other]


async def test_an_event_that_is_not_delayed_any_more_is_left_alone(store: Store) -> None:
    event = make_event()
    await store.commit(Batch(delayed=[Delayed(event, NOW)]))
    [entry] = await store.release_due(NOW, 10)
    with pytest.raises(ConflictError, match="not delayed"):
        await store.aborts.end_waiting(ending(event), ABORTED)
    assert await store.read_pending(entry.queue, 0, 10) == [entry]


async def test_an_order_is_forgotten_with_the_outcome_or_not_at_all(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    order = AbortOrder(entry.event.id, "ann", NOW)
    await store.aborts.order(order)
    await store.commit(Batch(outcomes=[done(entry)]))
    late = Batch(outcomes=[done(entry)])
    late.extra().aborted.append(entry.event.id)
    with pytest.raises(ConflictError):
        await store.commit(late)
    assert await store.aborts.orders(10) == [order]
