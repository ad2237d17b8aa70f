"""What a schedule does when its moments come: pure, so that every history of outages and overlaps can be tried.

    a moment comes -> waits -> runs                       and is the newest run
                            -> is skipped                 the run before has not ended, and overlap is `skip`
                            -> waits on                   the same, and overlap is `queue`; or the run was refused
                            -> is missed                  a newer moment has come meanwhile, or it is too late for it

Each moment comes to exactly one of these ends and is counted there. After an outage only the newest moment runs.
Times are seconds since the epoch (UTC).
"""

from __future__ import annotations

import enum
from uuid import UUID

import msgspec

from runtime.core.cron import Cron
from runtime.core.schedule import Overlap, moment_text

MAX_COUNTED = 1_000
"""Moments missed in one outage are counted up to so many: it takes 20 ms."""
HELD_SECONDS = 5.0
"""After how long a moment that has to wait is tried again, where nothing says otherwise."""
MAX_HELD_SECONDS = 60.0
BROKEN_SECONDS = 60.0
"""The same where nothing can be said of its moments."""


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a schedule stands."""

    next_at: float | None
    """Its next moment; None while it is paused, and where its expression names none for 50 years."""
    look_at: float | None
    """When there is something to decide, None for never."""
    paused: bool = False
    waiting_at: float | None = None
    """The moment that has come and has not run yet."""
    held: str | None = None
    """Why it has not, where it was looked at; or why no moment can come."""
    ran_at: float | None = None
    """The moment of the newest run."""
    job: UUID | None = None
    """The newest run."""
    runs: int = 0
    skipped: int = 0
    """Moments that came while the run before had not ended."""
    missed: int = 0
    """Moments that could not run before a newer one came, or it was too late: in an outage, or as they were refused."""
    note: str | None = None
    """Why the newest moment that was skipped or missed did not run."""
    noted_at: float | None = None

    def validate(self) -> None:
        """Raises AssertionError where it contradicts itself."""
        assert self.waiting_at is None or self.next_at is None or self.waiting_at < self.next_at, self
        assert not self.paused or self.next_at is self.look_at is None, self
        assert self.paused or self.look_at is not None or self.next_at is self.waiting_at is None, self
        assert (self.job is None) == (self.ran_at is None) == (self.runs == 0), self
        assert min(self.runs, self.skipped, self.missed) >= 0, self
        assert (self.note is None) == (self.noted_at is None) == (self.skipped + self.missed == 0), self


class Choice(enum.Enum):
    """What becomes of the moment that waits."""

    RUN = enum.auto()
    SKIP = enum.auto()
    WAIT = enum.auto()


def begun(cron: Cron, now: float) -> Standing:
    """The standing of a new schedule."""
    first = cron.after(now)
    return Standing(next_at=first, look_at=first)


def come(standing: Standing, cron: Cron, now: float) -> Standing:
    """The standing after the moments up to `now` have come: the newest of them waits."""
    first = standing.next_at
    if first is None or first > now:
        return standing if standing.waiting_at is not None else _without_waiting(standing)
    newest = cron.newest(first, now)
    passed = _count(cron, first, newest)
    missed = passed + int(standing.waiting_at is not None)
    why = f", as {standing.held}" if standing.held and standing.waiting_at is not None else ""
    moved = msgspec.structs.replace(
        standing,
        next_at=cron.after(newest),
        look_at=now,
        waiting_at=newest,
        held=None,
        missed=standing.missed + missed,
    )
    if not missed:
        return moved
    many = f"{missed:,} or more" if passed == MAX_COUNTED else str(missed)
    return _noted(moved, f"{many} before {moment_text(newest)} did not run until it came{why}", now)


def _count(cron: Cron, first: float, newest: float) -> int:
    """How many moments there are from `first` on before the newest one."""
    count, moment = 0, first
    later = cron.moments(first)
    while moment < newest and count < MAX_COUNTED:
        count, moment = count + 1, next(later, newest)
    return count


def in_time(standing: Standing, catch_up_seconds: float | None, now: float) -> Standing:
    """The standing after the moment that waits was given up, if it is later than it may be."""
    moment = standing.waiting_at
    if moment is None or catch_up_seconds is None or now <= moment + catch_up_seconds:
        return standing
    why = f", as {standing.held}" if standing.held else ""
    missed = msgspec.structs.replace(_without_waiting(standing), missed=standing.missed + 1)
    return _noted(missed, f"{moment_text(moment)} did not run within {catch_up_seconds:g} s{why}", now)


def choose(overlap: Overlap, *, running: bool) -> Choice:
    """What becomes of the moment that waits, where the run before is still `running` or has ended."""
    if not running or overlap == "allow":
        return Choice.RUN
    return Choice.SKIP if overlap == "skip" else Choice.WAIT


def ran(standing: Standing, job: UUID) -> Standing:
    """The standing after a run was enqueued for the moment that waits."""
    assert standing.waiting_at is not None, standing
    return msgspec.structs.replace(
        _without_waiting(standing), ran_at=standing.waiting_at, job=job, runs=standing.runs + 1
    )


def skipped(standing: Standing, now: float) -> Standing:
    """The standing after the moment that waits was skipped."""
    assert standing.waiting_at is not None, standing
    dropped = msgspec.structs.replace(_without_waiting(standing), skipped=standing.skipped + 1)
    return _noted(dropped, f"{moment_text(standing.waiting_at)} was skipped, as {_unended(standing)}", now)


def waits(standing: Standing, now: float) -> Standing:
    """The standing while the moment that waits has to, as the run before has not ended."""
    return refused(standing, _unended(standing), now)


def refused(standing: Standing, why: str, now: float, retry_seconds: float | None = None) -> Standing:
    """The standing while the moment that waits has to, as its run was refused."""
    assert standing.waiting_at is not None, standing
    seconds = HELD_SECONDS if retry_seconds is None else min(max(1.0, retry_seconds), MAX_HELD_SECONDS)
    return msgspec.structs.replace(standing, held=why, look_at=_first(standing.next_at, now + seconds))


def broken(standing: Standing, why: str, now: float) -> Standing:
    """The standing while nothing can be said of its moments, such as on a machine that lacks its time zone."""
    return msgspec.structs.replace(standing, held=why, look_at=now + BROKEN_SECONDS)


def paused(standing: Standing) -> Standing:
    """The standing once no more moments come. One that has come waits on."""
    return msgspec.structs.replace(standing, paused=True, next_at=None, look_at=None)


def resumed(standing: Standing, cron: Cron, now: float) -> Standing:
    """The standing once moments come again, those after `now`, be it of another expression."""
    following = cron.after(now)
    look_at = following if standing.waiting_at is None else now
    return msgspec.structs.replace(standing, paused=False, next_at=following, look_at=look_at, held=None)


def restated(standing: Standing, before: Cron, after: Cron, now: float) -> Standing:
    """The standing of a schedule that is set anew: what has come until `now` has come, and is decided about at once."""
    if standing.paused:
        return standing
    if before is after:
        return msgspec.structs.replace(standing, look_at=now)
    return resumed(come(standing, before, now), after, now)


def _first(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def _without_waiting(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, waiting_at=None, held=None, look_at=standing.next_at)


def _noted(standing: Standing, note: str, now: float) -> Standing:
    return msgspec.structs.replace(standing, note=note, noted_at=now)


def _unended(standing: Standing) -> str:
    assert standing.ran_at is not None, standing
    return f"the run of {moment_text(standing.ran_at)} has not ended"
