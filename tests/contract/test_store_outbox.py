"""The outbox: what is taken out goes into the log by the same commit, once."""

from __future__ import annotations

import msgspec
import pytest

from runtime.errors import ConflictError
from runtime.store.outbox import Posted
from runtime.store.port import Store
from runtime.store.records import Batch, DeadLetter, Event
from tests.contract.conftest import Backend
from tests.records import CAUSE, NOW, make_event, make_events


def posted(event: Event, delay_seconds: float = 0.0) -> Posted:
    return Posted(
        place=0,
        id=event.id,
        service=event.service,
        tenant=event.tenant,
        key=event.key,
        type=event.type,
        payload=event.payload,
        accepted_at=event.accepted_at,
        enqueued_by=event.enqueued_by,
        headers=event.headers,
        delay_seconds=delay_seconds,
    )


def taking(event: Event, place: int) -> Batch:
    batch = Batch(events=[event])
    batch.extra().taken.append(place)
    return batch


async def test_what_is_put_waits_in_order_and_is_found(store: Store, backend: Backend) -> None:
    connection = await backend.connect()
    events = make_events(3, headers=b"{}")
    for n, event in enumerate(events):
        await store.outbox.put(connection, posted(event, n))
    waiting = await store.outbox.waiting(2)
    assert [msgspec.structs.replace(each, place=0) for each in waiting] == [posted(events[0]), posted(events[1], 1.0)]
    assert await store.outbox.find(events[2].id) == (await store.outbox.waiting(3))[2]
    assert await store.outbox.find(make_event().id) is None


async def test_an_id_is_put_once(store: Store, backend: Backend) -> None:
    connection, event = await backend.connect(), make_event()
    for _ in range(2):
        await store.outbox.put(connection, posted(event))
    assert len(await store.outbox.waiting(10)) == 1


async def test_what_is_moved_is_taken_out(store: Store, backend: Backend) -> None:
    event = make_event()
    await store.outbox.put(await backend.connect(), posted(event))
    [waiting] = await store.outbox.waiting(10)
    [entry] = await store.commit(taking(event, waiting.place))
    assert entry.event == event
    assert await store.outbox.waiting(10) == []


async def test_what_another_has_taken_is_not_written_again(backend: Backend) -> None:
    first, second = [await backend.open_store() for _ in range(2)]
    event, other = make_events(2)
    await first.outbox.put(await backend.connect(), posted(event))
    [waiting] = await second.outbox.waiting(10)
    await first.commit(taking(event, waiting.place))
    batch = taking(other, waiting.place)
    batch.dead_letters.append(DeadLetter(event, CAUSE, NOW))
    with pytest.raises(ConflictError):
        await second.commit(batch)
    assert await second.find_event(other.id) is None
