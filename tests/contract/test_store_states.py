"""States of actors: part of the commit they come with, whatever becomes of it."""

from __future__ import annotations

import msgspec
import pytest

from runtime.errors import ConflictError, LeaseLostError
from runtime.store.port import Store
from runtime.store.records import Batch, Extras, StoredState
from tests.contract.conftest import Backend
from tests.records import NOW, done, make_event, make_events

ACTOR = ("acme", "flight-1")


def state(payload: bytes = b'{"seats":1}', *, tenant: str = "acme", key: str = "flight-1") -> StoredState:
    return StoredState("trips", tenant, key, 1, payload, NOW)


def with_states(*states: StoredState) -> Batch:
    return Batch(extras=Extras(states=list(states)))


async def test_a_state_is_written_with_the_outcome_of_its_event(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    assert await store.states("trips", [ACTOR]) == []
    await store.commit(Batch(outcomes=[done(entry)], extras=Extras(states=[state()])))
    assert await store.read_pending(entry.queue, 0, 10) == []
    assert await store.states("trips", [ACTOR]) == [state()]


async def test_a_state_is_not_written_when_its_outcome_is_refused(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    await store.commit(Batch(outcomes=[done(entry)]))
    with pytest.raises(ConflictError):
        await store.commit(Batch(outcomes=[done(entry)], extras=Extras(states=[state()])))
    assert await store.states("trips", [ACTOR]) == []


async def test_the_last_state_of_an_actor_wins(store: Store) -> None:
    await store.commit(with_states(state(b"1"), state(b"2"), state(b"other", tenant="b"), state(b"3")))
    assert await store.states("trips", [ACTOR]) == [state(b"3")]
    await store.commit(with_states(msgspec.structs.replace(state(b"4"), version=2)))
    assert await store.states("trips", [ACTOR]) == [msgspec.structs.replace(state(b"4"), version=2)]


async def test_states_are_read_by_service_tenant_and_key(store: Store) -> None:
    known = [state(tenant="a", key="1"), state(tenant="a", key="2"), state(tenant="b", key="1")]
    await store.commit(with_states(*known))
    found = await store.states("trips", [("a", "2"), ("b", "1"), ("b", "2"), ("c", "1")])
    assert sorted(found, key=lambda one: one.tenant) == known[1:]
    assert await store.states("others", [("a", "1")]) == []
    assert await store.states("trips", []) == []


async def test_keys_and_labels_may_hold_any_characters(store: Store) -> None:
    odd = ["", "null", "{a,b}", 'say "hi"', "back\\slash", "two\nlines", "\x1f", "Αθήνα"]
    states = [msgspec.structs.replace(state(key=each), label=each, ended=True) for each in odd]
    await store.commit(with_states(*states))
    assert await store.states("trips", [("acme", each) for each in odd]) == states
    events = [make_event(key=each) for each in odd]
    places = await store.commit(Batch(events=events))
    assert [place.event for place in await store.read_pending(places[0].queue, 0, 10)] == events


async def test_an_old_incarnation_cannot_write_states(backend: Backend) -> None:
    old = await backend.open_store()
    await backend.end_session(old)
    new = await backend.open_store()
    with pytest.raises(LeaseLostError):
        await old.commit(with_states(state()))
    assert await new.states("trips", [ACTOR]) == []


async def test_a_large_batch_keeps_its_states(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    batch = Batch(events=make_events(300), outcomes=[done(entry)], extras=Extras(states=[state()]))
    assert len(batch) == 302
    places = await store.commit(batch)
    assert await store.read_pending(entry.queue, 0, 1000) == places
    assert await store.states("trips", [ACTOR]) == [state()]
    [more] = await store.commit(Batch(events=make_events(300)[:1]))
    again = Batch(events=batch.events, outcomes=[done(more)], extras=Extras(states=[state(b"2")]))
    assert await store.commit(again) == []
    assert await store.states("trips", [ACTOR]) == [state(b"2")]


async def test_resolve_tells_of_a_batch_with_states_by_its_other_parts(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    batch = Batch(events=make_events(2), outcomes=[done(entry)], extras=Extras(states=[state()]))
    assert await store.resolve(batch) is None
    places = await store.commit(batch)
    assert await store.resolve(batch) == places


async def test_resolve_has_a_batch_of_states_alone_written_again(store: Store) -> None:
    await store.commit(with_states(state()))
    assert await store.resolve(with_states(state())) is None


async def test_a_unit_of_work_without_statements_writes_states(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    unit = store.unit_of_work()
    unit.begin_event()
    unit.keep_event()
    await unit.commit(Batch(outcomes=[done(entry)], extras=Extras(states=[state()])))
    assert await store.states("trips", [ACTOR]) == [state()]
