from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from runtime.core.lease import DEFAULT_SHARDS
from runtime.errors import LeaseHeldError, LeaseLostError
from runtime.store.records import Batch, Delayed, OutcomeKind
from tests.contract.conftest import Backend
from tests.records import NOW, died, done, make_event


async def test_a_second_process_is_told_who_owns_the_shards(backend: Backend) -> None:
    first = await backend.open_store(lease=False)
    incarnation = uuid4()
    await first.acquire_lease(incarnation)
    second = await backend.open_store(lease=False)
    with pytest.raises(LeaseHeldError) as caught:
        await second.acquire_lease(uuid4())
    assert caught.value.owner == incarnation


async def test_a_lease_owns_every_shard_in_an_epoch_that_grows(backend: Backend) -> None:
    first = await backend.open_store(lease=False)
    incarnation = uuid4()
    lease = await first.acquire_lease(incarnation)
    assert lease.incarnation == incarnation
    assert lease.shards == tuple(range(DEFAULT_SHARDS))
    await first.close()
    second = await backend.open_store(lease=False)
    assert (await second.acquire_lease(uuid4())).epoch > lease.epoch


async def test_a_lease_that_ended_is_noticed_and_can_be_taken_again(backend: Backend) -> None:
    store = await backend.open_store(lease=False)
    incarnation = uuid4()
    await store.acquire_lease(incarnation)
    waiting = asyncio.ensure_future(store.wait_lease_lost())
    await backend.end_session(store)
    assert await waiting
    await store.acquire_lease(incarnation)
    assert await store.commit(Batch(events=[make_event()]))


async def test_an_old_incarnation_cannot_write_after_another_took_over(backend: Backend) -> None:
    old = await backend.open_store(lease=False)
    incarnation = uuid4()
    await old.acquire_lease(incarnation)
    [entry, dead] = await old.commit(Batch(events=[make_event(), make_event()], delayed=[Delayed(make_event(), NOW)]))
    await old.commit(died(dead))
    await backend.end_session(old)
    new = await backend.open_store()
    assert await new.read_pending(entry.queue, 0, 10) == [entry]

    refused = [
        old.commit(Batch(events=[make_event()])),
        old.commit(Batch(outcomes=[done(entry)])),
        old.commit(Batch(outcomes=[done(entry)], delayed=[Delayed(make_event(), NOW)])),
        old.unit_of_work().commit(Batch(outcomes=[done(entry)])),
        old.advance_watermarks({entry.queue: entry.seq}),
        old.release_due(NOW, 10),
        old.replay(dead.event.id, Batch(events=[make_event()]), by="ann", at=NOW, detail=None),
        old.discard(dead.event.id, by="ann", at=NOW, detail=None),
        old.resolve(Batch(outcomes=[done(entry)])),
    ]
    for write in refused:
        with pytest.raises(LeaseLostError):
            await write

    assert await new.read_pending(entry.queue, 0, 10) == [entry]
    letter = await new.dead_letter(dead.event.id)
    assert letter is not None
    assert letter.state == "open"
    [state] = await new.queues()
    assert state.watermark == 0
    assert len(await new.release_due(NOW, 10)) == 1
    assert done(entry).kind is OutcomeKind.DONE


async def test_an_incarnation_that_another_has_followed_cannot_come_back(backend: Backend) -> None:
    old = await backend.open_store(lease=False)
    incarnation = uuid4()
    await old.acquire_lease(incarnation)
    await backend.end_session(old)
    new = await backend.open_store()
    await new.close()
    with pytest.raises(LeaseLostError):
        await old.acquire_lease(incarnation)


async def test_a_store_can_be_closed_twice_and_before_it_was_opened(backend: Backend) -> None:
    store = backend.make_store()
    await store.close()
    await store.open()
    await store.acquire_lease(uuid4())
    await store.close()
    await store.close()
    assert await store.wait_lease_lost()
