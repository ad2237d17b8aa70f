"""Commits whose answer never came: asked of the database afterwards, never guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from runtime.errors import CommitUnknownError, StoreUnavailableError
from runtime.store.postgres import PostgresStore
from runtime.store.records import Batch, Delayed, Entry, Extras, StoredState
from tests.fault.cut_proxy import CutProxy, Loss
from tests.postgres import Server
from tests.records import NOW, died, done, make_event, make_events

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def proxy(database: Server, tmp_path: Path) -> AsyncIterator[CutProxy]:
    async with CutProxy(database, tmp_path) as made:
        yield made


@pytest.fixture
async def store(proxy: CutProxy) -> AsyncIterator[PostgresStore]:
    """A store behind the proxy, whose statements for one event and for several are prepared."""
    opened = PostgresStore(proxy.address)
    await opened.open()
    await opened.acquire_lease(uuid4())
    await opened.commit(Batch(events=make_events(2, tenant="other")))
    yield opened
    await opened.close()


@pytest.fixture
async def entry(store: PostgresStore) -> Entry:
    [stored] = await store.commit(Batch(events=[make_event()]))
    return stored


async def pending(store: PostgresStore, entry: Entry) -> list[Entry]:
    return await store.read_pending(entry.queue, 0, 100)


@pytest.mark.parametrize("count", [1, 2])
async def test_a_request_that_never_arrived_resolves_to_not_committed(
    store: PostgresStore, proxy: CutProxy, entry: Entry, count: int
) -> None:
    batch = Batch(events=make_events(count))
    proxy.lose(Loss.REQUEST)
    with pytest.raises(CommitUnknownError):
        await store.commit(batch)
    assert await store.resolve(batch) is None
    places = await store.commit(batch)
    assert await pending(store, entry) == [entry, *places]


@pytest.mark.parametrize("count", [1, 2])
async def test_an_answer_that_never_arrived_resolves_to_the_places(
    store: PostgresStore, proxy: CutProxy, entry: Entry, count: int
) -> None:
    batch = Batch(events=make_events(count))
    proxy.lose(Loss.ANSWER)
    with pytest.raises(CommitUnknownError):
        await store.commit(batch)
    places = await store.resolve(batch)
    assert places is not None
    assert [place.event for place in places] == batch.events
    assert await pending(store, entry) == [entry, *places]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_request_that_arrives_after_it_was_resolved_cannot_commit(
    store: PostgresStore, proxy: CutProxy, entry: Entry, count: int
) -> None:
    batch = Batch(events=make_events(count))
    proxy.lose(Loss.LATE_REQUEST)
    with pytest.raises(CommitUnknownError):
        await store.commit(batch)
    assert await store.resolve(batch) is None
    assert b"PR001" in await proxy.deliver_late()
    assert await pending(store, entry) == [entry]
    assert len(await store.commit(batch)) == count


@pytest.mark.parametrize("loss", list(Loss))
async def test_an_epoch_that_began_without_an_answer_is_not_taken_for_that_of_others(
    store: PostgresStore, proxy: CutProxy, entry: Entry, loss: Loss
) -> None:
    batch = Batch(events=[make_event()])
    proxy.lose(loss, b"COMMIT\0")
    with pytest.raises(StoreUnavailableError):
        await store.resolve(batch)
    if loss is Loss.LATE_REQUEST:
        await proxy.deliver_late()
    if loss is not Loss.REQUEST:
        with pytest.raises(StoreUnavailableError, match="renewed meanwhile"):
            await store.commit(batch)
    assert await store.resolve(batch) is None
    places = await store.commit(batch)
    assert await pending(store, entry) == [entry, *places]


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_unit_of_work_whose_commit_is_unknown_is_resolved(
    store: PostgresStore, proxy: CutProxy, entry: Entry, admin: Connection, loss: Loss
) -> None:
    await admin.execute("CREATE TABLE booking (id int PRIMARY KEY)")
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute("INSERT INTO booking VALUES (1)")
    unit.keep_event()
    batch = Batch(outcomes=[done(entry)], events=[make_event()])
    proxy.lose(loss, b"COMMIT\0")
    with pytest.raises(CommitUnknownError):
        await unit.commit(batch)
    if loss is Loss.LATE_REQUEST:  # the transaction has passed the fence, so the answer waits for its end
        await proxy.deliver_late()
    places = await store.resolve(batch)
    committed = loss is not Loss.REQUEST
    assert (places is not None) == committed
    assert await admin.fetchval("SELECT count(*) FROM booking") == int(committed)
    assert await pending(store, entry) == (places if places is not None else [entry])


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("opened", [False, True])
async def test_a_batch_with_extras_whose_commit_is_unknown_is_resolved_with_them(
    store: PostgresStore, proxy: CutProxy, entry: Entry, loss: Loss, *, opened: bool
) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    if opened:
        await unit.database.execute("SELECT 1")
    unit.keep_event()
    state = StoredState("trips", "acme", "flight-1", 1, b"{}", NOW)
    batch = Batch(outcomes=[done(entry)], events=[make_event()], extras=Extras(states=[state]))
    proxy.lose(loss, b"COMMIT\0")
    with pytest.raises(CommitUnknownError):
        await unit.commit(batch)
    if loss is Loss.LATE_REQUEST:
        await proxy.deliver_late()
    places = await store.resolve(batch)
    committed = loss is not Loss.REQUEST
    assert (places is not None) == committed
    assert await store.states("trips", [("acme", "flight-1")]) == ([state] if committed else [])
    assert await pending(store, entry) == (places if places is not None else [entry])


@pytest.mark.parametrize("loss", [Loss.REQUEST, Loss.ANSWER])
async def test_a_large_batch_whose_commit_is_unknown_is_resolved(
    store: PostgresStore, proxy: CutProxy, entry: Entry, loss: Loss
) -> None:
    batch = Batch(events=make_events(600))
    proxy.lose(loss, b"COMMIT\0")
    with pytest.raises(CommitUnknownError):
        await store.commit(batch)
    places = await store.resolve(batch)
    assert (places is not None) == (loss is Loss.ANSWER)
    assert len(await store.read_pending(entry.queue, entry.seq, 1000)) == len(places or [])


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_release_cut_short_forgets_no_event(store: PostgresStore, proxy: CutProxy, loss: Loss) -> None:
    await store.commit(Batch(delayed=[Delayed(make_event(), NOW)]))
    await store.release_due(NOW, 10)  # the statements are prepared now
    events = make_events(3)
    await store.commit(Batch(delayed=[Delayed(event, NOW) for event in events]))
    mark = events[0].id.bytes  # only the move names events
    proxy.lose(loss, mark)
    with pytest.raises(CommitUnknownError):
        await store.release_due(NOW, 10)
    released = await store.release_due(NOW, 10)
    assert [entry.event for entry in released] == events
    if loss is Loss.LATE_REQUEST:
        assert b"PR001" in await proxy.deliver_late()
    assert await store.release_due(NOW, 10) == []
    assert await store.next_due() is None


@pytest.mark.parametrize("loss", [Loss.REQUEST, Loss.ANSWER])
async def test_a_replay_whose_commit_is_unknown_is_resolved(
    store: PostgresStore, proxy: CutProxy, entry: Entry, loss: Loss
) -> None:
    await store.commit(died(entry))
    replay = Batch(events=[make_event()])
    proxy.lose(loss, b"COMMIT\0")
    with pytest.raises(CommitUnknownError):
        await store.replay(entry.event.id, replay, by="ann", at=NOW, detail=None)
    committed = loss is Loss.ANSWER
    assert (await store.resolve(replay) is not None) == committed
    letter = await store.dead_letter(entry.event.id)
    assert letter is not None
    assert letter.state == ("replayed" if committed else "open")
