"""Jobs by id and by filter, and what their handlers returned."""

from __future__ import annotations

import msgspec
import pytest

from runtime.durable.ids import IdSource, id_at
from runtime.store.job_records import JobFilter, JobStatus
from runtime.store.port import Store
from runtime.store.records import Batch, Delayed, Entry, Event, Outcome, OutcomeKind, Result
from tests.records import NOW, died, done, make_event, make_events


def retried(entry: Entry, due_at: float = NOW + 5) -> Batch:
    again = msgspec.structs.replace(entry.event, attempt=entry.event.attempt + 1)
    return Batch(
        outcomes=[Outcome(entry.seq, OutcomeKind.RETRY, NOW, NOW + 1, "OSError: gone")],
        delayed=[Delayed(again, due_at)],
    )


async def one_of_each(store: Store) -> dict[JobStatus, Event]:
    """A job in each status that the logs tell."""
    queued, completed, failed, aborted = await store.commit(Batch(events=make_events(4)))
    holding = make_event()
    await store.commit(Batch(delayed=[Delayed(holding, NOW + 9)]))
    await store.commit(Batch(outcomes=[done(completed)]))
    await store.commit(died(failed))
    await store.commit(Batch(outcomes=[Outcome(aborted.seq, OutcomeKind.ABORTED, NOW, NOW, "by ann")]))
    return {
        "queued": queued.event,
        "completed": completed.event,
        "failed": failed.event,
        "aborted": aborted.event,
        "holding": holding,
    }


async def test_a_job_that_nothing_knows_is_none(store: Store) -> None:
    assert await store.jobs.find(make_event().id) is None
    assert await store.jobs.result(make_event().id) is None


async def test_a_job_is_found_in_each_status(store: Store) -> None:
    for status, event in (await one_of_each(store)).items():
        view = await store.jobs.find(event.id)
        assert view is not None
        assert (view.status, view.event, view.attempt) == (status, event, 1)
        assert (view.due_at is not None) == (status == "holding")
        assert (view.finished_at is not None) == (status in {"completed", "failed", "aborted"})
        assert (view.error is not None) == (status in {"failed", "aborted"})


async def test_a_job_tells_its_attempts_while_it_is_tried_again(store: Store) -> None:
    [first] = await store.commit(Batch(events=[make_event()]))
    await store.commit(retried(first))
    waiting = await store.jobs.find(first.event.id)
    assert waiting is not None
    assert (waiting.status, waiting.attempt, waiting.due_at, waiting.error) == (
        "holding",
        2,
        NOW + 5,
        "OSError: gone",
    )
    assert [attempt.outcome for attempt in waiting.attempts] == ["retry"]
    [second] = await store.release_due(NOW + 5, 10)
    tried = await store.jobs.find(first.event.id)
    assert tried is not None
    assert (tried.status, tried.attempt, tried.seq, tried.queue) == ("queued", 2, second.seq, second.queue)
    await store.commit(Batch(outcomes=[done(second)]))
    ended = await store.jobs.find(first.event.id)
    assert ended is not None
    assert (ended.status, ended.event) == ("completed", first.event)
    assert [attempt.outcome for attempt in ended.attempts] == ["retry", "done"]


async def test_a_dead_letter_outlives_the_log_as_a_failed_job(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event(id=IdSource(lambda: NOW - 1000).new_id())]))
    await store.commit(died(entry))
    await store.advance_watermarks({entry.queue: entry.seq})
    await store.expire(NOW - 100)
    view = await store.jobs.find(entry.event.id)
    assert view is not None
    assert view.status == "failed"
    assert view.error is not None
    assert view.error.endswith("ValueError: no such flight")


async def test_jobs_are_listed_newest_first_in_pages(store: Store) -> None:
    events = make_events(5)
    await store.commit(Batch(events=events[:3], delayed=[Delayed(event, NOW + 9) for event in events[3:]]))
    first = await store.jobs.page(JobFilter(limit=3))
    second = await store.jobs.page(JobFilter(limit=3, before=first.next))
    assert [view.event.id for view in first.jobs + second.jobs] == [event.id for event in reversed(events)]
    assert (first.next, second.next) == (events[2].id, None)
    assert {view.event.payload for view in first.jobs} == {b""}


async def test_jobs_are_filtered_by_status(store: Store) -> None:
    for status, event in (await one_of_each(store)).items():
        page = await store.jobs.page(JobFilter(status=status))
        assert [(view.event.id, view.status) for view in page.jobs] == [(event.id, status)]


async def test_a_job_is_listed_once_however_often_it_was_tried(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    await store.commit(retried(entry, NOW))
    [view] = (await store.jobs.page(JobFilter())).jobs
    assert (view.status, view.attempt, view.due_at, view.error) == ("holding", 2, NOW, None)
    await store.commit(retried((await store.release_due(NOW, 1))[0]))
    [view] = (await store.jobs.page(JobFilter())).jobs
    assert (view.status, view.attempt) == ("holding", 3)


async def test_jobs_are_filtered_by_service_tenant_type_and_time(store: Store) -> None:
    old = make_event(id=IdSource(lambda: NOW - 60).new_id())
    other = make_event(service="other", tenant="b", type="Cancel")
    await store.commit(Batch(events=[old, make_event(), other]))

    async def found(**which: object) -> list[object]:
        return [view.event.id for view in (await store.jobs.page(JobFilter(**which))).jobs]  # type: ignore[arg-type]

    assert await found(service="other") == [other.id]
    assert await found(tenant="b") == [other.id]
    assert await found(type="Cancel") == [other.id]
    assert await found(until=NOW - 30) == [old.id]
    assert old.id not in await found(since=NOW - 60 + 0.001)
    assert old.id in await found(since=NOW - 60)
    assert await found(service="trips", tenant="b") == []


async def test_a_result_is_kept_with_the_outcome_and_forgotten_with_age(store: Store) -> None:
    [entry] = await store.commit(Batch(events=[make_event()]))
    batch = Batch(outcomes=[done(entry)])
    batch.extra().results.append(Result(entry.event.id, b'{"seat":"7F"}'))
    await store.commit(batch)
    assert await store.jobs.result(entry.event.id) == b'{"seat":"7F"}'
    await store.expire(NOW)
    assert await store.jobs.result(entry.event.id) == b'{"seat":"7F"}'
    await store.expire(NOW + 1)
    assert await store.jobs.result(entry.event.id) is None


@pytest.mark.parametrize("seconds", [0.0, NOW])
def test_an_id_of_a_time_is_below_those_made_then(seconds: float) -> None:
    assert id_at(seconds) <= IdSource(lambda: seconds).new_id() < id_at(seconds + 1)
