from __future__ import annotations

from runtime.store.port import Store
from runtime.store.records import Batch
from tests.contract.conftest import Backend
from tests.records import done, make_events


async def test_the_first_run_follows_no_crash(store: Store) -> None:
    assert await store.begin_run() is None


async def test_a_run_that_did_not_end_is_known_to_the_next(backend: Backend) -> None:
    first = await backend.open_store()
    await first.begin_run()
    await backend.end_session(first)
    second = await backend.open_store()
    assert await second.begin_run() == {}
    await second.end_run()
    await second.close()
    third = await backend.open_store()
    assert await third.begin_run() is None


async def test_marks_outlive_a_crash_until_their_entry_has_its_outcome(store: Store) -> None:
    one, two, three = await store.commit(Batch(events=make_events(3)))
    await store.begin_run()
    await store.mark_started({one.seq: 1, two.seq: 1, three.seq: 1})
    await store.mark_started({two.seq: 2})
    await store.mark_started({two.seq: 2})
    await store.commit(Batch(outcomes=[done(one)]))
    assert await store.begin_run() == {two.seq: 2, three.seq: 1}
    await store.commit(Batch(outcomes=[done(two)]))
    await store.clear_marks()
    assert await store.begin_run() == {three.seq: 1}
