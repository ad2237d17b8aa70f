from __future__ import annotations

import msgspec
import pytest

from runtime.errors import ConflictError, NotFoundError
from runtime.store.port import Store
from runtime.store.records import Batch, DeadLetterFilter, DeadLetterView, Event
from tests.records import CAUSE, NOW, died, done, make_event, make_events, new_id


async def bury(store: Store, event: Event, at: float = NOW) -> DeadLetterView:
    [entry] = await store.commit(Batch(events=[event]))
    await store.commit(died(entry, at))
    letter = await store.dead_letter(event.id)
    assert letter is not None
    return letter


async def discard(store: Store, event: Event) -> None:
    await store.discard(event.id, by="ann", at=NOW, detail=None)


async def test_what_does_not_exist_cannot_be_shown_replayed_or_discarded(store: Store) -> None:
    assert await store.dead_letter(new_id()) is None
    with pytest.raises(NotFoundError):
        await store.replay(new_id(), Batch(events=[make_event()]), by="ann", at=NOW, detail=None)
    with pytest.raises(NotFoundError):
        await discard(store, make_event())


async def test_a_closed_dead_letter_cannot_be_closed_again(store: Store) -> None:
    event = make_event()
    await bury(store, event)
    await discard(store, event)
    replay = make_event()
    with pytest.raises(ConflictError, match="discarded"):
        await store.replay(event.id, Batch(events=[replay]), by="ann", at=NOW, detail=None)
    with pytest.raises(ConflictError, match="discarded"):
        await discard(store, event)
    assert await store.resolve(Batch(events=[replay])) is None


async def test_an_event_that_is_accepted_again_may_die_again(store: Store) -> None:
    event = make_event()
    await bury(store, event)
    await discard(store, event)
    again = msgspec.structs.replace(event, attempt=2, payload=b'{"seats":3}')
    letter = await bury(store, again, NOW + 5)
    assert (letter.event, letter.died_at, letter.state) == (again, NOW + 5, "open")
    assert [each.event for each in await store.dead_letters(DeadLetterFilter())] == [again]


async def test_an_entry_that_dies_twice_fails_with_its_whole_batch(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    twice = Batch(outcomes=died(entry).outcomes * 2, dead_letters=died(entry).dead_letters * 2)
    with pytest.raises(ConflictError):
        await store.commit(twice)
    await store.commit(died(entry))
    with pytest.raises(ConflictError):
        await store.commit(died(entry))


async def test_a_dead_letter_shows_its_event_its_cause_and_its_attempts(store: Store) -> None:
    event = make_event(key=None)
    letter = await bury(store, event, NOW + 3)
    assert (letter.event, letter.cause, letter.died_at, letter.state) == (event, CAUSE, NOW + 3, "open")
    [attempt] = letter.attempts
    assert (attempt.attempt, attempt.outcome, attempt.error) == (1, "dead", "ValueError: no such flight")
    assert (attempt.accepted_at, attempt.started_at, attempt.finished_at) == (event.accepted_at, NOW, NOW + 1)
    assert (letter.replayed_as, letter.replay_outcome, letter.audit) == (None, None, [])


async def test_dead_letters_are_listed_newest_first_in_pages(store: Store) -> None:
    events = make_events(5)
    for event, at in zip(events, (NOW, NOW + 2, NOW + 2, NOW + 1, NOW + 3), strict=True):
        await bury(store, event, at)
    newest_first = [events[place] for place in (4, 2, 1, 3, 0)]
    listed: list[Event] = []
    before = None
    while page := await store.dead_letters(DeadLetterFilter(limit=2, before=before)):
        listed += [letter.event for letter in page]
        before = page[-1].event.id
    assert listed == newest_first
    assert await store.dead_letters(DeadLetterFilter(before=new_id())) == []


async def test_dead_letters_are_filtered_by_service_tenant_and_state(store: Store) -> None:
    trips, other, mail, closed = (
        make_event(),
        make_event(tenant="other"),
        make_event(service="mail"),
        make_event(),
    )
    for event in (trips, other, mail, closed):
        await bury(store, event)
    await discard(store, closed)

    async def listed(**which: str | None) -> list[Event]:
        return [letter.event for letter in await store.dead_letters(DeadLetterFilter(**which))]  # type: ignore[arg-type] # a test's shorthand

    assert await listed() == [mail, other, trips]
    assert await listed(service="trips") == [other, trips]
    assert await listed(tenant="acme") == [mail, trips]
    assert await listed(service="trips", tenant="acme") == [trips]
    assert await listed(state="discarded") == [closed]
    assert await listed(state=None, service="trips") == [closed, other, trips]
    assert await listed(state="replayed") == []


async def test_a_replay_is_a_new_event_that_the_dead_letter_points_to(store: Store) -> None:
    event = make_event()
    await bury(store, event)
    replay = make_event(origin=event.id)
    [entry] = await store.replay(event.id, Batch(events=[replay]), by="ann", at=NOW + 9, detail="fixed in 1.2")
    assert entry.event == replay
    letter = await store.dead_letter(event.id)
    assert letter is not None
    assert (letter.state, letter.replayed_as, letter.replay_outcome) == ("replayed", replay.id, "pending")
    [record] = letter.audit
    assert (record.action, record.by, record.at, record.detail) == ("replay", "ann", NOW + 9, "fixed in 1.2")


async def test_a_dead_letter_tells_how_its_replay_ended(store: Store) -> None:
    events = make_events(2)
    replays = []
    for event in events:
        await bury(store, event)
        replays += await store.replay(event.id, Batch(events=[make_event()]), by="ann", at=NOW, detail=None)
    await store.commit(Batch(outcomes=[done(replays[0])]))
    await store.commit(died(replays[1]))
    listed = await store.dead_letters(DeadLetterFilter(state="replayed"))
    assert [letter.replay_outcome for letter in listed] == ["dead", "done"]


async def test_discarding_is_audited(store: Store) -> None:
    event = make_event()
    await bury(store, event)
    await discard(store, event)
    letter = await store.dead_letter(event.id)
    assert letter is not None
    assert letter.state == "discarded"
    assert [(record.action, record.by) for record in letter.audit] == [("discard", "ann")]
