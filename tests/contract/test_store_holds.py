"""Holds of entries that keep their place: the last one counts, until the entry has come to its end."""

from __future__ import annotations

from runtime.store.port import Store
from runtime.store.records import Batch, Entry, Extras, Hold
from tests.records import NOW, done, make_event, make_events


def hold(entry: Entry, attempt: int = 2, due_at: float = NOW) -> Hold:
    return Hold(entry.seq, entry.queue, attempt, due_at, "OSError: away")


async def test_the_last_hold_of_an_entry_counts(store: Store) -> None:
    one, two = await store.commit(Batch(events=make_events(2)))
    await store.commit(Batch(extras=Extras(holds=[hold(one), hold(two), hold(one, 3, NOW + 5)])))
    assert await store.holds("trips", 0, 10) == [hold(one, 3, NOW + 5), hold(two)]
    await store.commit(Batch(extras=Extras(holds=[hold(two, 4)])))
    assert await store.holds("trips", one.seq, 10) == [hold(two, 4)]
    assert await store.holds("trips", 0, 1) == [hold(one, 3, NOW + 5)]
    assert await store.holds("others", 0, 10) == []
    assert await store.read_pending(one.queue, 0, 10) == [one, two]


async def test_an_entry_that_has_come_to_its_end_is_not_held(store: Store) -> None:
    one, two, three = await store.commit(Batch(events=[*make_events(2), make_event(tenant="b")]))
    await store.commit(Batch(extras=Extras(holds=[hold(one), hold(two), hold(three)])))
    await store.commit(Batch(outcomes=[done(one)], extras=Extras(ended_holds=[one.seq])))
    await store.commit(Batch(outcomes=[done(two)]))
    assert await store.holds("trips", 0, 10) == [hold(three)]


async def test_a_hold_and_its_end_may_share_a_batch(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    await store.commit(Batch(outcomes=[done(entry)], extras=Extras(holds=[hold(entry)], ended_holds=[entry.seq])))
    assert await store.holds("trips", 0, 10) == []


async def test_an_entry_that_is_held_is_not_marked_as_started(store: Store) -> None:
    one, two = await store.commit(Batch(events=make_events(2)))
    await store.mark_started({one.seq: 2, two.seq: 1})
    await store.commit(Batch(extras=Extras(holds=[hold(one)])))
    assert await store.start_marks() == {two.seq: 1}
