from __future__ import annotations

import msgspec

from runtime.store.port import Store
from runtime.store.records import Batch, Delayed, Outcome, OutcomeKind
from tests.records import NOW, make_event, make_events


async def test_nothing_is_due_before_its_time(store: Store) -> None:
    assert await store.next_due() is None
    await store.commit(Batch(delayed=[Delayed(make_event(), NOW + 1)]))
    assert await store.release_due(NOW, 10) == []
    assert await store.next_due() == NOW + 1


async def test_due_events_join_the_end_of_the_log_in_the_order_they_are_due(store: Store) -> None:
    late, early, later = make_events(3)
    [entry] = await store.commit(
        Batch(events=[make_event()], delayed=[Delayed(late, NOW + 2), Delayed(early, NOW + 1)])
    )
    await store.commit(Batch(delayed=[Delayed(later, NOW + 3)]))
    released = await store.release_due(NOW + 2, 10)
    assert [each.event for each in released] == [early, late]
    assert await store.read_pending(entry.queue, 0, 10) == [entry, *released]
    assert await store.next_due() == NOW + 3


async def test_events_are_released_in_pages(store: Store) -> None:
    events = make_events(5)
    await store.commit(Batch(delayed=[Delayed(event, NOW) for event in events]))
    pages = [await store.release_due(NOW, 2) for _ in range(4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert [entry.event for page in pages for entry in page] == events


async def test_a_delayed_event_accepted_twice_is_released_once(store: Store) -> None:
    event = make_event()
    for due_at in (NOW, NOW + 1):
        await store.commit(Batch(delayed=[Delayed(event, due_at)]))
    assert len(await store.release_due(NOW + 5, 10)) == 1
    await store.commit(Batch(delayed=[Delayed(event, NOW)]))
    assert await store.release_due(NOW + 5, 10) == []
    assert await store.next_due() is None


async def test_an_event_accepted_again_does_not_keep_out_its_own_retry(store: Store) -> None:
    event = make_event()
    [entry] = await store.commit(Batch(events=[event]))
    await store.commit(Batch(delayed=[Delayed(event, NOW + 100)]))
    retry = msgspec.structs.replace(event, attempt=2)
    outcome = Outcome(entry.seq, OutcomeKind.RETRY, NOW, NOW, "OSError: gone")
    await store.commit(Batch(outcomes=[outcome], delayed=[Delayed(retry, NOW + 1)]))
    assert [each.event for each in await store.release_due(NOW + 1, 10)] == [retry]
