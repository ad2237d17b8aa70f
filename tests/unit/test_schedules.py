"""Schedules of an app, on a clock that the test moves: what runs when, and what waits."""

from __future__ import annotations

import pytest

from runtime import App, testing
from runtime.core.policy import Policy, Scope
from runtime.errors import ConflictError, NotFoundError
from runtime.store.audit import AuditFilter
from runtime.store.memory_database import MemoryDatabase
from runtime.store.schedules import ScheduleFilter
from runtime.testing import VirtualClock
from runtime.testing.store import TestingStore
from tests.unit.ledger import HOUR, Books, Close, Ledger, Open, closing_app, given, looked_at, minutely, standing


@pytest.fixture
def app() -> App:
    return closing_app()


async def test_each_moment_brings_its_message_to_the_service(app: App) -> None:
    app.schedule("nightly", cron="0 3 * * *", timezone="Europe/Athens", to="ledger", message=Close(7), tenant="acme")
    async with testing.app(app) as kit:
        await kit.pass_time(HOUR - 1)
        assert kit.handled() == []
        await kit.pass_time(1)
        [handled] = kit.handled("ledger")
        assert (handled.message, handled.tenant) == (Close(7), "acme")
        await kit.pass_time(48 * HOUR)
        assert len(kit.handled()) == 3
        found = await standing(kit)
        assert (found.runs, found.skipped, found.missed) == (3, 0, 0)
        assert found.job is not None
        job = await kit.running.operations.jobs.job(found.job)
        assert (job.status, job.event.enqueued_by) == ("completed", "schedule:nightly")


async def test_runs_have_keys_of_their_own_where_the_schedule_says_so(app: App) -> None:
    minutely(app, to="books", key="day-{moment}", overlap="allow")
    async with testing.app(app) as kit:
        await kit.pass_time(120)
        assert [handled.key for handled in kit.handled()] == ["day-2026-01-01T00:01Z", "day-2026-01-01T00:02Z"]


async def test_a_moment_is_skipped_while_the_run_before_has_not_ended(app: App) -> None:
    minutely(app)
    async with testing.app(app) as kit:
        kit.fail("ledger", Close, times=1)  # tried again after 150 s
        await kit.pass_time(180)
        found = await standing(kit)
        assert (found.runs, found.skipped) == (1, 2)
        assert found.note == "2026-01-01T00:03Z was skipped, as the run of 2026-01-01T00:01Z has not ended"
        await kit.pass_time(60)
        assert ((await standing(kit)).runs, (await standing(kit)).skipped) == (2, 2)


async def test_a_moment_waits_in_the_queue_for_the_run_before(app: App) -> None:
    minutely(app, cron="*/2 * * * *", overlap="queue")
    async with testing.app(app) as kit:
        kit.fail("ledger", Close, times=1)  # at 2:00; again at 4:30
        await kit.pass_time(250)
        assert (await standing(kit)).held == "the run of 2026-01-01T00:02Z has not ended"
        await kit.pass_time(30)
        found = await standing(kit)
        assert (found.runs, found.held, found.missed) == (2, None, 0)
        assert len(kit.handled()) == 3


async def test_runs_of_one_schedule_may_overlap(app: App) -> None:
    minutely(app, overlap="allow")
    async with testing.app(app) as kit:
        kit.fail("ledger", Close, times=3)
        await kit.pass_time(180)
        assert (await standing(kit)).runs == 3


async def test_a_run_lasts_as_long_as_its_own_actor_says(app: App) -> None:
    minutely(app, to="books", key="{id}")
    async with testing.app(app) as kit:
        await kit.pass_time(120)
        found = await standing(kit)
        assert (found.runs, found.skipped) == (1, 1)
        await app.enqueue("books", Close(), tenant="acme", key=str(found.job))
        await kit.pass_time(60)
        assert (await standing(kit)).runs == 2


async def test_a_moment_that_is_refused_waits_until_it_is_let_in(app: App) -> None:
    minutely(app, cron="*/30 * * * *")
    async with testing.app(app) as kit:
        scope = Scope(None, "acme")
        await kit.running.policies.change(scope, Policy(state="draining"), by="ann")
        await kit.pass_time(HOUR / 2)
        found = await standing(kit)
        assert found.held is not None
        assert "draining and takes no events" in found.held
        assert (found.runs, found.waiting_at) == (0, kit.clock.now())
        await kit.running.policies.change(scope, Policy(state="active"), by="ann")
        await kit.pass_time(5)
        assert ((await standing(kit)).runs, len(kit.handled())) == (1, 1)


async def test_a_moment_over_the_limit_is_tried_when_there_is_room_and_none_is_lost_silently(app: App) -> None:
    minutely(app)
    app.tenant("acme", daily_quota=2)
    async with testing.app(app) as kit:
        await kit.pass_time(600)
        found = await standing(kit)
        assert (found.runs, found.missed, found.waiting_at) == (2, 7, kit.clock.now())
        assert found.held is not None
        assert found.held.startswith("the limit of tenant acme is reached: 2 events within 24 hours")
        assert found.note is not None
        assert found.note.startswith(
            "1 before 2026-01-01T00:10Z did not run until it came, as the limit of tenant acme"
        )


async def test_a_moment_is_missed_when_it_is_later_than_it_may_run(app: App) -> None:
    minutely(app, cron="0 * * * *", catch_up_seconds=120)
    async with testing.app(app) as kit:
        await kit.running.policies.change(Scope(None, "acme"), Policy(state="draining"), by="ann")
        await kit.pass_time(HOUR + 130)
        found = await standing(kit)
        assert (found.runs, found.missed, found.waiting_at, found.held) == (0, 1, None, None)
        assert found.note is not None
        assert found.note.startswith("2026-01-01T01:00Z did not run within 120 s, as tenant acme is draining")


async def test_after_an_outage_the_newest_moment_runs(app: App) -> None:
    minutely(app)
    database, clock = MemoryDatabase(), VirtualClock()
    async with app.running(store=TestingStore(database), clock=clock):
        pass
    clock.move_to(clock.now() + 600)
    async with app.running(store=TestingStore(database), clock=clock) as running:
        found = await looked_at(running, "nightly")
        assert (found.runs, found.missed, found.ran_at) == (1, 9, clock.now())
        assert found.note == "9 before 2026-01-01T00:10Z did not run until it came"


async def test_people_pause_and_resume_and_the_audit_knows(app: App) -> None:
    minutely(app)
    async with testing.app(app) as kit:
        schedules = kit.running.operations.schedules
        assert (await schedules.pause("acme", "nightly", by="ann", reason="month end")).standing.paused
        await kit.pass_time(HOUR)
        assert kit.handled() == []
        moments = await schedules.moments("acme", "nightly", 2)
        assert moments == [kit.clock.now() + 60, kit.clock.now() + 120]
        resumed = await schedules.resume("acme", "nightly", by="bob")
        assert resumed.standing.next_at == kit.clock.now() + 60
        await kit.pass_time(60)
        assert len(kit.handled()) == 1
        lines = await kit.running.operations.audit.lines(AuditFilter())
        assert [(line.action, line.by, line.target, line.detail) for line in lines] == [
            ("resume_schedule", "bob", "acme/nightly", None),
            ("pause_schedule", "ann", "acme/nightly", "month end"),
            ("set_schedule", "closing", "acme/nightly", "* * * * * in UTC to ledger"),
        ]


async def test_people_add_change_and_delete_schedules_of_their_own(app: App) -> None:
    async with testing.app(app) as kit:
        schedules = kit.running.operations.schedules
        await schedules.put(given(), by="ann")
        await kit.pass_time(60)
        changed = await schedules.put(given(cron="0 * * * *"), by="bob")
        assert (changed.standing.runs, changed.by) == (1, "bob")
        await kit.pass_time(HOUR)
        assert len(kit.handled()) == 2
        await schedules.pause("acme", "weekly", by="ann")
        assert (await schedules.put(given(), by="ann")).standing.paused
        assert (await schedules.delete("acme", "weekly", by="ann")).standing.runs == 2
        with pytest.raises(NotFoundError, match="acme has no schedule 'weekly'"):
            await schedules.schedule("acme", "weekly")
        for change in (schedules.delete, schedules.pause, schedules.resume):
            with pytest.raises(NotFoundError):
                await change("acme", "weekly", by="ann")


async def test_what_has_come_still_runs_when_the_expression_changes(app: App) -> None:
    async with testing.app(app) as kit:
        schedules = kit.running.operations.schedules
        await schedules.put(given(cron="0 * * * *"), by="ann")
        kit.clock.move_to(kit.clock.now() + HOUR + 0.5)
        await schedules.put(given(cron="30 4 * * *"), by="ann")
        await kit.idle()
        found = await standing(kit, "weekly")
        assert (found.runs, found.next_at) == (1, testing.clock.START + 4.5 * HOUR)


async def test_the_code_has_the_last_word_on_what_it_declares(app: App) -> None:
    database, clock = MemoryDatabase(), VirtualClock()
    minutely(app)
    async with app.running(store=TestingStore(database), clock=clock) as running:
        schedules = running.operations.schedules
        await schedules.pause("acme", "nightly", by="ann")
        with pytest.raises(ConflictError, match="the app's code declares the schedule nightly"):
            await schedules.put(given(name="nightly"), by="ann")
        with pytest.raises(ConflictError, match="change it there, or pause it here"):
            await schedules.delete("acme", "nightly", by="ann")
        await schedules.put(given(), by="ann")
    other = App("closing")
    other.service("ledger", Ledger)
    taken = other.schedule("weekly", cron="@daily", to="ledger", message=Open(), tenant="acme")
    async with other.running(store=TestingStore(database), clock=clock) as running:
        found = await running.operations.schedules.schedules(ScheduleFilter())
        assert [(each.schedule, each.source) for each in found] == [(taken, "app")]


async def test_what_is_declared_no_more_goes_and_what_changed_meanwhile_is_seen(app: App) -> None:
    database, clock = MemoryDatabase(), VirtualClock()
    minutely(app)
    minutely(app, tenant="bee")
    async with app.running(store=TestingStore(database), clock=clock):
        pass
    other = App("closing")
    ledger = other.service("ledger", Ledger)
    minutely(other, to=ledger, tenant="bee", cron="@daily")
    async with other.running(store=TestingStore(database), clock=clock) as running:
        found = await running.operations.schedules.schedules(ScheduleFilter())
        assert [(each.address, each.schedule.cron) for each in found] == [(("bee", "nightly"), "@daily")]
        lines = await running.operations.audit.lines(AuditFilter(limit=2))
        assert {(line.action, line.target) for line in lines} == {
            ("delete_schedule", "acme/nightly"),
            ("set_schedule", "bee/nightly"),
        }


async def test_a_pause_outlives_a_new_start(app: App) -> None:
    database, clock = MemoryDatabase(), VirtualClock()
    minutely(app)
    for _ in range(2):
        async with app.running(store=TestingStore(database), clock=clock) as running:
            await running.operations.schedules.pause("acme", "nightly", by="ann")
    async with app.running(store=TestingStore(database), clock=clock) as running:
        assert (await running.operations.schedules.schedule("acme", "nightly")).standing.paused


async def test_a_schedule_whose_service_is_gone_says_so_and_waits(app: App) -> None:
    database, clock = MemoryDatabase(), VirtualClock()
    async with app.running(store=TestingStore(database), clock=clock) as running:
        await running.operations.schedules.put(given(), by="ann")
    other = App("closing")
    other.service("books", Books, keyed=True)
    clock.move_to(clock.now() + 60)
    async with other.running(store=TestingStore(database), clock=clock) as running:
        found = await looked_at(running, "weekly")
        assert found.held == "no service is named 'ledger'; this app has: books"
