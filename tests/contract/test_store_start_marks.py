from __future__ import annotations

from uuid import uuid4

from runtime.store.membership import Taken
from runtime.store.port import Store
from runtime.store.records import Batch
from tests.contract.conftest import Backend
from tests.records import done, make_events


async def test_shards_that_nobody_had_follow_no_crash(backend: Backend) -> None:
    store = await backend.open_store(lease=False)
    await store.join(uuid4())
    assert not (await store.take_shards([3, 4])).unclean


async def test_shards_of_one_who_did_not_leave_are_known_to_the_next_owner(backend: Backend) -> None:
    first = await backend.open_store(lease=False)
    lease = await first.join(uuid4())
    await first.take_shards([3, 4, 5])
    await first.give_up_shards([5])
    second = await backend.open_store(lease=False)
    await second.join(uuid4())
    [renewed] = [member for member in await second.members() if member.incarnation == lease.incarnation]
    assert await second.remove_member(lease.incarnation, renewed.epoch)
    taken = await second.take_shards([3, 4, 5])
    assert taken == Taken(frozenset((3, 4, 5)), frozenset((3, 4)))
    await second.leave(unclean=[4])
    third = await backend.open_store(lease=False)
    await third.join(uuid4())
    assert (await third.take_shards([3, 4, 5])).unclean == {4}


async def test_marks_outlive_a_crash_until_their_entry_has_its_outcome(store: Store) -> None:
    one, two, three = await store.commit(Batch(events=make_events(3)))
    await store.mark_started({one.seq: 1, two.seq: 1, three.seq: 1})
    await store.mark_started({two.seq: 2})
    await store.mark_started({two.seq: 2})
    await store.commit(Batch(outcomes=[done(one)]))
    assert await store.start_marks() == {two.seq: 2, three.seq: 1}
    await store.commit(Batch(outcomes=[done(two)]))
    await store.clear_marks()
    assert await store.start_marks() == {three.seq: 1}
