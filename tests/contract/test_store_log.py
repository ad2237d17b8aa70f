from __future__ import annotations

import msgspec
import pytest

from runtime.errors import ConflictError, LeaseLostError, StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Batch, DeadLetterFilter, Delayed, Outcome, OutcomeKind
from tests.contract.conftest import Backend
from tests.records import NOW, died, done, make_event, make_events


async def test_a_store_that_is_not_open_is_unavailable(backend: Backend) -> None:
    with pytest.raises(StoreUnavailableError):
        await backend.make_store().queues()


async def test_a_store_without_the_lease_does_not_write(backend: Backend) -> None:
    store = await backend.open_store(lease=False)
    with pytest.raises(LeaseLostError):
        await store.commit(Batch(events=[make_event()]))
    assert await store.queues() == []


async def test_a_second_outcome_of_an_entry_fails_with_its_whole_batch(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    await store.commit(Batch(outcomes=[done(entry)]))
    late = make_event()
    with pytest.raises(ConflictError):
        await store.commit(Batch(events=[late], outcomes=[done(entry)], delayed=[Delayed(make_event(), NOW)]))
    assert await store.resolve(Batch(events=[late])) is None
    assert await store.next_due() is None


async def test_two_outcomes_of_an_entry_in_one_batch_fail(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    with pytest.raises(ConflictError):
        await store.commit(Batch(outcomes=[done(entry), done(entry)]))
    assert [each.seq for each in await store.read_pending(entry.queue, 0, 10)] == [entry.seq]


async def test_an_empty_batch_writes_nothing(store: Store) -> None:
    assert await store.commit(Batch()) == []


async def test_events_take_growing_numbers_in_the_order_given(store: Store) -> None:
    events = make_events(5)
    first = await store.commit(Batch(events=events))
    second = await store.commit(Batch(events=make_events(2)))
    assert [entry.event for entry in first] == events
    seqs = [entry.seq for entry in first + second]
    assert seqs == sorted(set(seqs))
    assert seqs[0] > 0


async def test_a_queue_stands_for_service_and_tenant(store: Store) -> None:
    places = await store.commit(
        Batch(events=[make_event(tenant="a"), make_event(tenant="b"), make_event(service="other", tenant="a")])
    )
    assert len({entry.queue for entry in places}) == 3
    [again] = await store.commit(Batch(events=[make_event(tenant="b")]))
    assert again.queue == places[1].queue


async def test_an_event_comes_back_as_it_was_stored(store: Store) -> None:
    event = make_event(
        key=None,
        type="",
        payload=b'{"text":"\\u0000 \\ud83d\\ude00"}',
        attempt=3,
        cause=make_event().id,
        origin=make_event().id,
        depth=4,
        headers=b'{"reenqueued":1}',
    )
    [entry] = await store.commit(Batch(events=[event]))
    assert await store.read_pending(entry.queue, 0, 10) == [entry]
    assert entry.event == event

    others = [msgspec.structs.replace(event, id=make_event().id, tenant="two") for _ in range(3)]
    places = await store.commit(Batch(events=others))
    assert [place.event for place in places] == others
    assert await store.read_pending(places[0].queue, 0, 10) == places


async def test_an_event_stored_before_is_left_out(store: Store) -> None:
    known, new = make_events(2)
    [entry] = await store.commit(Batch(events=[known]))
    [place] = await store.commit(Batch(events=[known, new]))
    assert place.event == new
    assert await store.read_pending(entry.queue, 0, 10) == [entry, place]


async def test_a_lone_event_stored_before_is_left_out(store: Store) -> None:
    event = make_event()
    [entry] = await store.commit(Batch(events=[event]))
    assert await store.commit(Batch(events=[event])) == []
    assert await store.read_pending(entry.queue, 0, 10) == [entry]


async def test_an_event_twice_in_one_batch_is_stored_once(store: Store) -> None:
    event = make_event()
    assert len(await store.commit(Batch(events=[event, event]))) == 1


async def test_another_attempt_at_an_event_is_another_entry(store: Store) -> None:
    event = make_event()
    [first] = await store.commit(Batch(events=[event]))
    [second] = await store.commit(Batch(events=[msgspec.structs.replace(event, attempt=2)]))
    assert second.seq > first.seq


async def test_a_batch_writes_events_outcomes_delayed_and_dead_letters_together(store: Store) -> None:
    first, second = await store.commit(Batch(events=make_events(2)))
    batch = died(second)
    batch.events.append(make_event())
    batch.outcomes.append(Outcome(first.seq, OutcomeKind.RETRY, NOW, NOW, "OSError: gone"))
    batch.delayed.append(Delayed(msgspec.structs.replace(first.event, attempt=2), NOW + 5))
    [emitted] = await store.commit(batch)
    assert await store.read_pending(first.queue, 0, 10) == [emitted]
    assert await store.next_due() == NOW + 5
    assert await store.dead_letter(second.event.id) is not None


async def test_pending_entries_are_read_in_pages_without_those_that_ended(store: Store) -> None:
    entries = await store.commit(Batch(events=make_events(6)))
    await store.commit(Batch(events=make_events(3, tenant="other")))
    await store.commit(Batch(outcomes=[done(entries[0]), done(entries[3])]))
    queue = entries[0].queue
    assert await store.read_pending(queue, 0, 2) == [entries[1], entries[2]]
    assert await store.read_pending(queue, entries[2].seq, 10) == [entries[4], entries[5]]
    assert await store.read_pending(queue, entries[5].seq, 10) == []
    assert await store.read_pending(10_000, 0, 10) == []


async def test_queues_say_where_they_stand(store: Store) -> None:
    entries = await store.commit(Batch(events=make_events(3)))
    await store.commit(Batch(events=make_events(1, tenant="other")))
    await store.advance_watermarks({entries[0].queue: entries[1].seq})
    await store.advance_watermarks({entries[0].queue: entries[0].seq})
    [acme, other] = await store.queues()
    assert (acme.service, acme.tenant) == ("trips", "acme")
    assert (acme.watermark, acme.last_seq) == (entries[1].seq, entries[2].seq)
    assert (other.tenant, other.watermark) == ("other", 0)


async def test_outcomes_are_counted_by_tenant(store: Store) -> None:
    entries = await store.commit(Batch(events=make_events(3)))
    await store.commit(Batch(events=[make_event(tenant="b", attempt=2), make_event(service="other")]))
    await store.commit(Batch(outcomes=[done(entries[0])]))
    await store.commit(died(entries[1]))
    assert await store.outcome_counts("trips", 0) == [("acme", 3, 1, 1), ("b", 0, 0, 0)]
    assert await store.outcome_counts("trips", entries[0].seq) == [("acme", 2, 0, 1), ("b", 0, 0, 0)]
    assert await store.outcome_counts("nothing", 0) == []


async def test_resolve_tells_a_batch_that_was_written_from_one_that_was_not(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    written = died(entry)
    written.events += make_events(2)
    places = await store.commit(written)
    assert await store.resolve(written) == places
    assert await store.resolve(Batch(outcomes=[done(entry)])) == []
    [other] = await store.commit(Batch(events=[make_event()]))
    assert await store.resolve(Batch(events=make_events(1), outcomes=[done(other)])) is None
    assert await store.resolve(died(other)) is None


async def test_resolve_knows_delayed_events_before_and_after_their_release(store: Store) -> None:
    batch = Batch(delayed=[Delayed(make_event(), NOW)])
    assert await store.resolve(batch) is None
    await store.commit(batch)
    assert await store.resolve(batch) == []
    await store.release_due(NOW, 10)
    assert await store.resolve(batch) == []


async def test_resolve_answers_with_places_of_events(store: Store) -> None:
    batch = Batch(events=make_events(3))
    assert await store.resolve(batch) is None
    places = await store.commit(batch)
    assert await store.resolve(batch) == places
    assert await store.resolve(Batch(events=[batch.events[0], make_event()])) is None


async def test_resolve_answers_once_for_an_event_that_is_twice_in_its_batch(store: Store) -> None:
    event, other = make_events(2)
    batch = Batch(events=[event, event, other, event])
    places = await store.commit(batch)
    assert await store.resolve(batch) == places
    assert [place.event for place in places] == [event, other]


async def test_resolve_leaves_out_what_an_earlier_batch_had_stored(store: Store) -> None:
    known, *new = make_events(3)
    await store.commit(Batch(events=[known]))
    batch = Batch(events=[new[0], known, new[1]])
    places = await store.commit(batch)
    assert [entry.event for entry in places] == new
    assert await store.resolve(batch) == places


async def test_a_unit_of_work_without_statements_commits_its_batch(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    unit = store.unit_of_work()
    unit.begin_event()
    unit.keep_event()
    assert (unit.opened, unit.lost) == (False, False)
    [emitted] = await unit.commit(Batch(events=[make_event()], outcomes=[done(entry)]))
    await unit.rollback()
    await unit.rollback()
    assert await store.read_pending(entry.queue, 0, 10) == [emitted]


async def test_a_large_batch_keeps_order_and_leaves_out_duplicates(store: Store) -> None:
    events = make_events(600)
    places = await store.commit(Batch(events=events))
    assert [entry.event for entry in places] == events
    assert [entry.seq for entry in places] == list(range(places[0].seq, places[0].seq + 600))
    more = make_events(300)
    again = await store.commit(Batch(events=[*more, *events[:5], more[0]]))
    assert [entry.event for entry in again] == more
    assert await store.read_pending(places[0].queue, 0, 1000) == [*places, *again]


@pytest.mark.parametrize("count", [1, 2, 600])
async def test_events_of_an_old_incarnation_are_refused(backend: Backend, count: int) -> None:
    old = await backend.open_store()
    await backend.end_session(old)
    new = await backend.open_store()
    with pytest.raises(LeaseLostError):
        await old.commit(Batch(events=make_events(count)))
    assert all(queue.last_seq == 0 for queue in await new.queues())


async def test_a_large_batch_is_written_with_its_outcomes_or_not_at_all(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    places = await store.commit(Batch(events=make_events(600), outcomes=[done(entry)]))
    assert await store.read_pending(entry.queue, 0, 1000) == places
    with pytest.raises(ConflictError):
        await store.commit(Batch(events=make_events(600), outcomes=[done(entry)]))
    assert await store.read_pending(entry.queue, 0, 1000) == places


async def test_an_event_is_found_by_its_id_wherever_it_is(store: Store) -> None:
    logged, waiting, dead = make_events(3, depth=2, headers=b"{}")
    entries = await store.commit(Batch(events=[logged, dead], delayed=[Delayed(waiting, NOW + 5)]))
    await store.commit(died(entries[1]))
    for event in (logged, waiting, dead):
        assert await store.find_event(event.id) == event
    assert await store.find_event(make_event().id) is None


async def test_delayed_and_dead_events_keep_their_depth_and_headers(store: Store) -> None:
    event = make_event(depth=2, headers=b"{}")
    await store.commit(Batch(delayed=[Delayed(event, NOW)]))
    [entry] = await store.release_due(NOW, 10)
    assert entry.event == event
    assert await store.read_pending(entry.queue, 0, 10) == [entry]
    await store.commit(died(entry))
    [letter] = await store.dead_letters(DeadLetterFilter())
    assert letter.event == event


async def test_many_events_keep_their_depth_and_headers(store: Store) -> None:
    events = [*make_events(300), make_event(depth=1, headers=b"{}")]
    entries = await store.commit(Batch(events=events))
    assert await store.read_pending(entries[0].queue, 0, 400) == entries
