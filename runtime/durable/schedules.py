"""Has the moments of schedules become events.

    due -> what has come, what waits and what is too late -> its event and where the schedule stands, in one commit

That commit is refused if the schedule has changed meanwhile, so that each moment brings one event, whatever is killed
and whoever else tries. The process that owns the first shard does the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from actors.errors import SpecError
from runtime.core.schedule import Schedule
from runtime.core.schedule_standing import Choice, Standing, broken, choose, come, in_time, ran, refused, skipped, waits
from runtime.durable.crash_points import reach
from runtime.durable.outbox import MOVING_SHARD
from runtime.durable.settling import settled
from runtime.errors import (
    ClosedError,
    ConflictError,
    InvalidInputError,
    LimitError,
    StoreUnavailableError,
    UnknownServiceError,
)
from runtime.store.records import Batch, Event, ScheduleStep
from runtime.store.schedules import Run, StoredSchedule

if TYPE_CHECKING:
    from runtime.machinery import Machinery

LOGGER = logging.getLogger("postroom.schedules")

LOOK_SECONDS = 1.0
"""How often it looks for what is due."""
MAX_DUE = 100
"""How many schedules one look, and one commit, is about."""


class Schedules:
    """The work of the `schedules` part."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._store = machinery.store
        self._clock = machinery.clock
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            try:
                while await self.fire_due() == MAX_DUE:
                    pass
            except StoreUnavailableError as error:
                LOGGER.debug("schedules are looked at later: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def fire_due(self) -> int:
        """Have up to `MAX_DUE` schedules that are due run, wait, or skip their moment; return how many were due.

        Raises:
            StoreUnavailableError: nothing was done.
        """
        if MOVING_SHARD not in self._machinery.backlog.shards:
            return 0
        async with self._turn:
            due = await self._store.schedules.due(self._clock.now(), MAX_DUE)
            if due:
                await self._fire(due)
            return len(due)

    async def _fire(self, due: Sequence[StoredSchedule]) -> None:
        running = await self._store.schedules.unended(runs_of(due))
        async with contextlib.AsyncExitStack() as passing:
            batch = Batch()
            for stored in due:
                standing = await self._look(stored, running, passing, batch.events)
                if standing.held is not None and stored.standing.held is None:
                    LOGGER.warning("the schedule %s of %s waits: %s", *reversed(stored.address), standing.held)
                batch.extra().schedules.append(ScheduleStep(*stored.address, stored.revision, standing))
            async with self._machinery.appending:
                reach("schedules.before_commit")
                try:
                    entries = await settled(self._store, batch, self._store.commit(batch))
                except ConflictError as error:
                    raise StoreUnavailableError(f"{error}; they are looked at again") from error
                reach("schedules.after_commit")
                await self._machinery.backlog.admit(entries)

    async def _look(
        self,
        stored: StoredSchedule,
        running: Collection[UUID],
        passing: contextlib.AsyncExitStack,
        events: list[Event],
    ) -> Standing:
        """Decide about a schedule; return where it stands then, and add the event of its run, if there is one."""
        schedule, now = stored.schedule, self._clock.now()
        try:
            standing = in_time(come(stored.standing, schedule.moments, now), schedule.catch_up_seconds, now)
        except SpecError as error:
            return broken(stored.standing, str(error), now)
        if standing.waiting_at is None:
            return standing
        match choose(schedule.overlap, running=standing.job in running):
            case Choice.SKIP:
                return skipped(standing, now)
            case Choice.WAIT:
                return waits(standing, now)
            case Choice.RUN:
                return await self._start(schedule, standing, passing, events)

    async def _start(
        self, schedule: Schedule, standing: Standing, passing: contextlib.AsyncExitStack, events: list[Event]
    ) -> Standing:
        """Have the moment that waits run, unless that is refused."""
        assert standing.waiting_at is not None, standing
        now = self._clock.now()
        try:
            event = self._event(schedule, standing.waiting_at)
            await passing.enter_async_context(self._machinery.gate.passing([event], 0.0))
        except LimitError as error:
            return refused(standing, str(error), now, error.retry_after_seconds)
        except (ClosedError, InvalidInputError, UnknownServiceError) as error:
            return refused(standing, str(error), now)
        events.append(event)
        return ran(standing, event.id)

    def _event(self, schedule: Schedule, moment: float) -> Event:
        """Raises InvalidInputError, UnknownServiceError where the app does not take it, or not any more."""
        admission = self._machinery.admission
        run = admission.new_id()
        return admission.json_event(
            schedule.service,
            bytes(schedule.payload),
            tenant=schedule.tenant,
            key=schedule.key_of(moment, run),
            type_name=schedule.type,
            by=f"schedule:{schedule.name}",
            event_id=run,
        )


def runs_of(schedules: Sequence[StoredSchedule]) -> list[Run]:
    """The newest runs of schedules that ask whether it has ended."""
    return [_run(each.schedule, each.standing) for each in schedules if _asks(each)]


def _asks(stored: StoredSchedule) -> bool:
    return stored.schedule.overlap != "allow" and stored.standing.job is not None


def _run(schedule: Schedule, standing: Standing) -> Run:
    assert standing.job is not None, standing
    assert standing.ran_at is not None, standing
    key = schedule.key_of(standing.ran_at, standing.job) if schedule.has_own_keys else None
    return Run(standing.job, schedule.service, schedule.tenant, key)
