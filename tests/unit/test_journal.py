"""Group commit: batches by themselves, nothing lost when the store goes away or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from runtime.durable import journal as journal_module
from runtime.durable.journal import MAX_BATCH, MAX_BATCH_OUTCOMES, MAX_UNRECORDED, MAX_WAITING_BATCHES, Journal
from runtime.errors import CommitUnknownError, StoreError, StoreUnavailableError
from runtime.store.memory import MemoryStore
from runtime.store.records import Batch, Entry, Extras, Outcome, OutcomeKind, StoredState
from tests.records import NOW, make_event, make_events, new_id

QUEUE = 1


class FaultyStore(MemoryStore):
    """Raises what it is told to before or after it commits."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.poison: set[UUID] = set()
        self.batches: list[int] = []
        self.held = asyncio.Event()
        self.held.set()
        self.committed = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def commit(self, batch: Batch) -> list[Entry]:
        await self.held.wait()
        if self.before:
            raise self.before.pop(0)
        if any(event.id in self.poison for event in batch.events):
            raise ValueError("bad row")
        self.batches.append(len(batch))
        entries = await super().commit(batch)
        self.committed.set()
        await self.answers.wait()
        if self.after:
            raise self.after.pop(0)
        return entries


class Parts:
    """A journal at work, with what it handed over."""

    def __init__(self) -> None:
        self.store = FaultyStore()
        self.admitted: list[Entry] = []
        self.recorded: list[int] = []
        self.relieved = 0
        self.writing: asyncio.Task[None]
        self.journal = Journal(
            self.store,
            appending=asyncio.Lock(),
            admit=self._admit,
            recorded=self._recorded,
            on_written=lambda _batch: None,
            on_relieved=self._relieved,
        )

    async def _admit(self, entries: Sequence[Entry]) -> None:
        self.admitted += entries

    def _relieved(self) -> None:
        assert not self.journal.saturated
        self.relieved += 1

    def _recorded(self, queue: int, seqs: Sequence[int]) -> None:
        assert queue == QUEUE
        self.recorded += seqs


@pytest.fixture
async def parts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parts]:
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0.0)
    made = Parts()
    await made.store.open()
    await made.store.acquire_lease(new_id())
    made.writing = asyncio.create_task(made.journal.run())
    yield made
    made.writing.cancel()
    await asyncio.gather(made.writing, return_exceptions=True)


async def test_a_lone_event_is_committed_at_once(parts: Parts) -> None:
    event = make_event()
    await parts.journal.append([event])
    assert [entry.event.id for entry in parts.admitted] == [event.id]


async def test_what_arrives_during_a_commit_goes_into_the_next_one(parts: Parts) -> None:
    parts.store.held.clear()
    first = asyncio.create_task(parts.journal.append([make_event()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(parts.journal.append([make_event()])) for _ in range(50)]
    await asyncio.sleep(0)
    parts.store.held.set()
    await asyncio.gather(first, *rest)
    assert parts.store.batches == [1, 50]
    assert [entry.seq for entry in parts.admitted] == list(range(1, 52))


async def test_a_large_append_is_split_and_kept_in_order(parts: Parts) -> None:
    events = make_events(3 * MAX_BATCH + 1)
    await parts.journal.append(events)
    assert max(parts.store.batches) <= MAX_BATCH
    assert [entry.event.id for entry in parts.admitted] == [event.id for event in events]


async def test_it_waits_while_the_database_is_away(parts: Parts) -> None:
    parts.store.before = [StoreUnavailableError("away")] * 3
    await parts.journal.append([make_event()])
    assert len(parts.admitted) == 1
    assert parts.journal.waiting_for is None


async def test_a_commit_that_took_place_unseen_is_not_repeated(parts: Parts) -> None:
    parts.store.after = [CommitUnknownError("lost")]
    await parts.journal.append([make_event()])
    assert parts.store.batches == [1]
    assert len(parts.admitted) == 1


async def test_a_commit_that_did_not_take_place_is_repeated(parts: Parts) -> None:
    parts.store.before = [CommitUnknownError("lost")]
    await parts.journal.append([make_event()])
    assert parts.store.batches == [1]
    assert len(parts.admitted) == 1


async def test_a_journal_that_was_cut_off_in_a_commit_asks_before_it_commits_again(parts: Parts) -> None:
    parts.store.answers.clear()
    writing = asyncio.create_task(parts.journal.append([make_event()]))
    await parts.store.committed.wait()
    parts.writing.cancel()
    await asyncio.gather(parts.writing, return_exceptions=True)
    parts.store.answers.set()
    parts.writing = asyncio.create_task(parts.journal.run())
    await writing
    assert parts.store.batches == [1]
    assert len(parts.admitted) == 1


async def test_refused_events_reach_their_producer_and_outcomes_are_written_without_them(parts: Parts) -> None:
    await parts.journal.append([make_event()])
    state = StoredState("trips", "acme", "flight-1", 1, b"{}", NOW)
    outcome = Outcome(parts.admitted[0].seq, OutcomeKind.DONE, NOW, NOW)
    batch = Batch(outcomes=[outcome], extras=Extras(states=[state]))
    poison = make_event()
    parts.store.poison = {poison.id}
    refused = asyncio.create_task(parts.journal.append([poison]))
    parts.journal.record(batch, QUEUE)
    with pytest.raises(StoreError, match="refused the events: ValueError: bad row"):
        await refused
    await parts.journal.flush()
    assert parts.recorded == [outcome.seq for outcome in batch.outcomes]
    assert parts.store.batches == [1, 2]
    assert await parts.store.states("trips", [("acme", "flight-1")]) == [state]


async def test_outcomes_are_reported_once_they_are_on_disk(parts: Parts) -> None:
    await parts.journal.append(make_events(3))
    batch = Batch(outcomes=[Outcome(entry.seq, OutcomeKind.DONE, NOW, NOW) for entry in parts.admitted])
    parts.journal.record(batch, QUEUE)
    assert parts.recorded == []
    await parts.journal.flush()
    assert parts.recorded == [outcome.seq for outcome in batch.outcomes]
    assert parts.journal.unrecorded == 0


async def test_too_many_unwritten_outcomes_saturate_it(parts: Parts) -> None:
    await parts.journal.append(make_events(MAX_UNRECORDED))
    parts.store.held.clear()
    for entry in parts.admitted:
        assert not parts.journal.saturated
        parts.journal.record(Batch(outcomes=[Outcome(entry.seq, OutcomeKind.DONE, NOW, NOW)]), QUEUE)
    assert parts.journal.saturated
    assert parts.relieved == 0
    parts.store.held.set()
    await parts.journal.flush()
    assert not parts.journal.saturated
    assert parts.relieved == 1


async def test_an_outcome_waits_for_thirteen_commits_at_most(parts: Parts) -> None:
    await parts.journal.append(make_events(MAX_UNRECORDED))
    before = len(parts.store.batches)
    parts.store.held.clear()
    producers = [asyncio.create_task(parts.journal.append(make_events(MAX_BATCH))) for _ in range(12)]
    await asyncio.sleep(0)
    for entry in parts.admitted[:MAX_UNRECORDED]:
        parts.journal.record(Batch(outcomes=[Outcome(entry.seq, OutcomeKind.DONE, NOW, NOW)]), QUEUE)
    assert parts.journal.saturated
    parts.store.held.set()
    while len(parts.recorded) < MAX_UNRECORDED:  # noqa: ASYNC110 # turns of the loop, not time
        await asyncio.sleep(0)
    assert len(parts.store.batches) - before <= 1 + MAX_WAITING_BATCHES + MAX_UNRECORDED // MAX_BATCH_OUTCOMES
    await asyncio.gather(*producers)


async def test_an_event_does_not_wait_for_outcomes_that_fill_several_commits(parts: Parts) -> None:
    await parts.journal.append(make_events(MAX_UNRECORDED))
    before = len(parts.store.batches)
    parts.store.held.clear()
    writing = asyncio.create_task(parts.journal.append([make_event()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for entry in parts.admitted[:MAX_UNRECORDED]:
        parts.journal.record(Batch(outcomes=[Outcome(entry.seq, OutcomeKind.DONE, NOW, NOW)]), QUEUE)
    event = asyncio.create_task(parts.journal.append([make_event()]))
    await asyncio.sleep(0)
    parts.store.held.set()
    await asyncio.gather(writing, event)
    assert parts.store.batches[before : before + 2] == [1, MAX_BATCH_OUTCOMES + 1]
    await parts.journal.flush()


async def test_closing_refuses_what_was_not_written(parts: Parts) -> None:
    parts.store.held.clear()
    waiting = asyncio.create_task(parts.journal.append([make_event()]))
    await asyncio.sleep(0)
    await parts.journal.close()
    with pytest.raises(StoreUnavailableError, match="stopped before the event was stored"):
        await waiting
    with pytest.raises(StoreUnavailableError, match="accepts no events"):
        await parts.journal.append([make_event()])
