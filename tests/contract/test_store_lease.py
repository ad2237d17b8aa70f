from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from runtime.core.lease import DEFAULT_SHARDS, shard_of
from runtime.errors import LeaseLostError
from runtime.store.membership import Arrival, MemberProfile
from runtime.store.records import Batch, Delayed, OutcomeKind
from tests.contract.conftest import Backend
from tests.records import NOW, died, done, make_event, make_events


async def test_shards_have_one_owner(backend: Backend) -> None:
    first, second = await backend.open_store(lease=False), await backend.open_store(lease=False)
    for store in (first, second):
        assert (await store.join(uuid4())).shards == ()
    assert (await first.take_shards(range(40))).shards == set(range(40))
    assert (await second.take_shards(range(DEFAULT_SHARDS))).shards == set(range(40, DEFAULT_SHARDS))
    assert [member.shards for member in await second.members()] == [
        tuple(range(40)),
        tuple(range(40, DEFAULT_SHARDS)),
    ]


async def test_shards_that_were_given_up_can_be_taken(backend: Backend) -> None:
    first, second = await backend.open_store(), await backend.open_store()
    await first.give_up_shards([1, 2])
    assert (await second.take_shards([1, 2, 3])).shards == {1, 2}
    assert 1 not in (await first.members())[0].shards


async def test_who_left_is_no_member_and_writes_nothing(backend: Backend) -> None:
    store = await backend.open_store()
    await store.leave()
    assert await store.members() == []
    with pytest.raises(LeaseLostError):
        await store.commit(Batch(events=[make_event()]))


async def test_a_member_shows_that_it_lives_and_whether_its_session_does(backend: Backend) -> None:
    first = await backend.open_store(lease=False)
    await first.join(uuid4(), MemberProfile(label="one", url="http://127.0.0.1:1", passive=True))
    second = await backend.open_store()
    await first.beat(NOW, 7, 0.75)
    one, two = await second.members()
    assert (one.label, one.url, one.passive) == ("one", "http://127.0.0.1:1", True)
    assert (one.seen_at, one.position, one.utilization) == (NOW, 7, 0.75)
    assert two.utilization == 0
    assert not one.ended
    assert not two.ended
    await backend.end_session(first)
    one, two = await second.members()
    assert one.ended
    assert not two.ended


async def test_a_member_that_began_a_new_epoch_is_not_removed(backend: Backend) -> None:
    first, second = await backend.open_store(lease=False), await backend.open_store()
    incarnation = uuid4()
    old = await first.join(incarnation)
    await first.join(incarnation)
    assert not await second.remove_member(incarnation, old.epoch)
    assert await first.commit(Batch(events=[make_event()]))


async def test_owners_learn_what_others_appended_to_their_shards(backend: Backend) -> None:
    owner = await backend.open_store()
    [own] = await owner.commit(Batch(events=[make_event()]))
    other = await backend.open_store(lease=False)
    await other.join(uuid4())
    events = [*make_events(2), make_event(key="elsewhere")]
    entries = await other.commit(Batch(events=events))
    [arrival] = await owner.arrivals(0, 10)
    shards = {shard_of(event.tenant, event.key, DEFAULT_SHARDS, event.id) for event in events}
    assert arrival == Arrival(entries[-1].seq, tuple((own.queue, shard) for shard in sorted(shards)))
    assert await owner.arrivals(arrival.seq, 10) == []
    await owner.forget_arrivals(arrival.seq)
    assert await owner.arrivals(0, 10) == []


async def test_many_events_for_others_are_told_in_one_arrival(backend: Backend) -> None:
    owner, other = await backend.open_store(), await backend.open_store()
    entries = await other.commit(Batch(events=[make_event(key=f"k{n}") for n in range(500)]))
    [arrival] = await owner.arrivals(0, 10)
    assert arrival.seq == entries[-1].seq
    assert {shard for _, shard in arrival.touched} == set(range(DEFAULT_SHARDS))


async def test_an_owner_reads_and_releases_what_is_in_its_shards_alone(backend: Backend) -> None:
    first = await backend.open_store()
    keys = [f"k{n}" for n in range(40)]
    entries = await first.commit(Batch(events=[make_event(key=key) for key in keys]))
    await first.commit(Batch(delayed=[Delayed(make_event(key=key), NOW) for key in keys]))
    half = range(DEFAULT_SHARDS // 2)
    await first.give_up_shards(half)
    second = await backend.open_store()
    pages = [
        await store.read_pending(entries[0].queue, 0, 100, shards)
        for store, shards in ((first, range(DEFAULT_SHARDS // 2, DEFAULT_SHARDS)), (second, half))
    ]
    assert sorted(entry.seq for page in pages for entry in page) == [entry.seq for entry in entries]
    assert all(pages)
    released = [await store.release_due(NOW, 100) for store in (first, second)]
    assert sorted(entry.event.key or "" for page in released for entry in page) == sorted(keys)
    assert all(released)
    assert await first.next_due() is None


async def test_watermarks_stop_at_what_anybody_has_not_finished(backend: Backend) -> None:
    first, second = await backend.open_store(), await backend.open_store()
    one, two, three = await first.commit(Batch(events=make_events(3)))
    await first.commit(Batch(outcomes=[done(one), done(three)]))
    await second.raise_watermarks([one.queue])
    [state] = await second.queues_by_id([one.queue])
    assert state.watermark == one.seq
    assert await second.has_unfinished("trips")
    await first.commit(Batch(outcomes=[done(two)]))
    await second.raise_watermarks([one.queue])
    [state] = await second.queues()
    assert state.watermark == three.seq == state.last_seq
    assert not await second.has_unfinished("trips")


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
