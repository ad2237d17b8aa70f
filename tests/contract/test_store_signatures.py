"""Signatures: an event is stored unless another holds its signature, whatever runs at the same time."""

from __future__ import annotations

import asyncio

import pytest

from runtime.store.port import Store
from runtime.store.records import Batch, Claim, Delayed, Event
from tests.contract.conftest import Backend
from tests.records import NOW, make_event, make_events


def claim(event: Event, text: str = "s", at: float = NOW, seconds: float = 60.0, scope: str = "global") -> Claim:
    return Claim(scope, text, event.id, at, at + seconds)


def claiming(event: Event, *claims: Claim) -> Batch:
    batch = Batch(events=[event])
    batch.extra().claims.extend(claims)
    return batch


async def test_the_first_event_holds_the_signature_and_the_next_is_not_stored(store: Store) -> None:
    first, second = make_events(2)
    batch = claiming(first, claim(first))
    [entry] = await store.commit(batch)
    late = claim(second, at=NOW + 59)
    assert await store.commit(claiming(second, late)) == []
    assert (late.holder, late.duplicate) == (first.id, True)
    [kept] = batch.extra().claims
    assert (kept.holder, kept.duplicate) == (first.id, False)
    assert await store.read_pending(entry.queue, 0, 10) == [entry]


async def test_a_signature_is_free_again_when_its_time_is_over(store: Store) -> None:
    first, second = make_events(2)
    await store.commit(claiming(first, claim(first)))
    later = claim(second, at=NOW + 60)
    assert [entry.event for entry in await store.commit(claiming(second, later))] == [second]
    assert not later.duplicate


async def test_scopes_and_texts_are_apart(store: Store) -> None:
    events = make_events(3)
    claims = [claim(events[0]), claim(events[1], scope="other"), claim(events[2], "other")]
    for event, each in zip(events, claims, strict=True):
        assert len(await store.commit(claiming(event, each))) == 1


async def test_only_the_duplicates_of_a_batch_are_left_out(store: Store) -> None:
    first, twin, plain, signed, held = make_events(5)
    await store.commit(claiming(held, claim(held, "held")))
    late, waiting = make_event(), make_event()
    batch = Batch(events=[first, twin, plain, late], delayed=[Delayed(signed, NOW + 5), Delayed(waiting, NOW + 6)])
    batch.extra().claims.extend(
        [claim(first), claim(twin), claim(late, "held"), claim(signed, "free"), claim(waiting, "held")]
    )
    assert [entry.event for entry in await store.commit(batch)] == [first, plain]
    assert [each.holder for each in batch.extra().claims] == [first.id, first.id, held.id, signed.id, held.id]
    assert await store.find_event(signed.id) == signed
    assert await store.find_event(waiting.id) is None


async def test_to_enqueue_again_with_the_same_id_is_no_duplicate(store: Store) -> None:
    event = make_event()
    await store.commit(claiming(event, claim(event)))
    again = claim(event)
    assert await store.commit(claiming(event, again)) == []
    assert (again.holder, again.duplicate) == (event.id, False)


async def test_of_many_at_the_same_time_one_wins(backend: Backend) -> None:
    stores = [await backend.open_store() for _ in range(3)]
    events = make_events(30)
    claims = [claim(event) for event in events]
    batches = [claiming(event, each) for event, each in zip(events, claims, strict=True)]
    places = await asyncio.gather(*(stores[n % 3].commit(batch) for n, batch in enumerate(batches)))
    stored = [entry.event.id for entries in places for entry in entries]
    assert len(stored) == 1
    assert {each.holder for each in claims} == set(stored)


async def test_resolve_tells_a_batch_with_claims_that_was_written(store: Store) -> None:
    [held] = make_events(1)
    await store.commit(claiming(held, claim(held, "held")))
    events = make_events(3)
    batch = Batch(events=events)
    batch.extra().claims.extend([claim(events[0]), claim(events[1], "held")])
    places = await store.commit(batch)
    assert await store.resolve(batch) == places
    assert [entry.event for entry in places] == [events[0], events[2]]


@pytest.mark.parametrize("text", ["free", "expired"])
async def test_resolve_tells_a_batch_with_claims_that_was_not_written(store: Store, text: str) -> None:
    old, event = make_events(2)
    await store.commit(claiming(old, claim(old, "expired", at=NOW - 100)))
    assert await store.resolve(claiming(event, claim(event, text))) is None


async def test_a_batch_of_duplicates_alone_is_written_again_without_harm(store: Store) -> None:
    held, event = make_events(2)
    await store.commit(claiming(held, claim(held)))
    late = claim(event)
    assert await store.resolve(claiming(event, late)) is None
    assert await store.commit(claiming(event, late)) == []
    assert late.holder == held.id


async def test_signatures_that_expired_long_ago_are_forgotten(store: Store) -> None:
    old, event = make_events(2)
    await store.commit(claiming(old, claim(old)))
    await store.expire(NOW + 61)
    late = claim(event)
    assert len(await store.commit(claiming(event, late))) == 1
