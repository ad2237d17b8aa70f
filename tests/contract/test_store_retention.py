from __future__ import annotations

import msgspec

from runtime.durable.ids import IdSource
from runtime.store.port import Store
from runtime.store.records import Batch, DeadLetterFilter, Delayed, Entry, Event, Outcome, OutcomeKind
from tests.records import NOW, died, done, make_event

PERIOD = 10.0
LATER = NOW + 1000


def event_at(time: float, **fields: object) -> Event:
    return make_event(id=IdSource(lambda: time).new_id(), accepted_at=time, **fields)


async def stored(store: Store, *events: Event) -> list[Entry]:
    await store.extend_log(NOW, PERIOD, 1000)
    return await store.commit(Batch(events=list(events)))


async def finish(store: Store, *entries: Entry) -> None:
    await store.commit(Batch(outcomes=[done(entry) for entry in entries]))
    await store.advance_watermarks({entry.queue: entry.seq for entry in entries})


async def is_known(store: Store, entry: Entry) -> bool:
    """Whether the log has an event: storing it again changes nothing then."""
    return await store.resolve(Batch(events=[entry.event])) is not None


async def test_what_has_aged_and_ended_is_dropped_and_the_rest_stays(store: Store) -> None:
    old, young = await stored(store, event_at(NOW), event_at(NOW + PERIOD))
    await finish(store, old, young)
    assert await store.expire(NOW) == 0
    assert await is_known(store, old)
    assert await store.expire(NOW + PERIOD) > 0
    assert not await is_known(store, old)
    assert await is_known(store, young)


async def test_what_has_no_outcome_stays_however_old(store: Store) -> None:
    [waiting] = await stored(store, event_at(NOW))
    await store.expire(LATER)
    assert await store.read_pending(waiting.queue, 0, 10) == [waiting]


async def test_what_the_watermark_has_not_passed_stays(store: Store) -> None:
    [entry] = await stored(store, event_at(NOW))
    await store.commit(Batch(outcomes=[done(entry)]))
    await store.expire(LATER)
    assert await is_known(store, entry)


async def test_an_event_whose_retry_is_delayed_stays(store: Store) -> None:
    [entry] = await stored(store, event_at(NOW))
    retry = Delayed(msgspec.structs.replace(entry.event, attempt=2), LATER)
    await store.commit(Batch(outcomes=[Outcome(entry.seq, OutcomeKind.RETRY, NOW, NOW, "late")], delayed=[retry]))
    await store.advance_watermarks({entry.queue: entry.seq})
    await store.expire(LATER)
    assert await is_known(store, entry)
    [again] = await store.release_due(LATER, 10)
    await store.expire(LATER)
    assert await is_known(store, entry)
    await finish(store, again)
    assert await store.expire(LATER) > 0
    assert not await is_known(store, entry)


async def test_dead_letters_outlive_the_logs(store: Store) -> None:
    [entry] = await stored(store, event_at(NOW))
    await store.commit(died(entry))
    await store.advance_watermarks({entry.queue: entry.seq})
    await store.expire(LATER)
    letter = await store.dead_letter(entry.event.id)
    assert letter is not None
    assert (letter.event, letter.attempts) == (entry.event, [])
    replay = event_at(NOW + 1, origin=entry.event.id)
    [again] = await store.replay(entry.event.id, Batch(events=[replay]), by="ann", at=NOW, detail=None)
    await finish(store, again)
    await store.expire(LATER)
    [shown] = await store.dead_letters(DeadLetterFilter(state="replayed"))
    assert shown.replay_outcome == "done"


async def test_the_log_goes_on_behind_what_was_dropped(store: Store) -> None:
    [old] = await stored(store, event_at(NOW))
    await finish(store, old)
    await store.expire(LATER)
    [new] = await store.commit(Batch(events=[event_at(NOW + PERIOD)]))
    assert new.seq > old.seq
    [queue] = await store.queues()
    assert (queue.watermark, queue.last_seq) == (old.seq, new.seq)
    assert await store.read_pending(new.queue, old.seq, 10) == [new]


async def test_what_lies_in_no_range_is_dropped_too(store: Store) -> None:
    [stray, waiting] = await stored(store, event_at(NOW - 500), event_at(NOW - 400, tenant="other"))
    await finish(store, stray)
    await store.expire(LATER)
    assert not await is_known(store, stray)
    assert await is_known(store, waiting)
