"""What a schedule does when its moments come: pure, so that every history of outages and overlaps can be tried.

    a moment comes -> waits -> runs                       and is the newest run
                            -> is skipped                 the run before has not ended, and overlap is `skip`
                            -> waits on                   the same, and overlap is `queue`; or the run was refused
                            -> is missed                  a newer moment has come meanwhile

Each moment comes to exactly one of these ends and is counted there. After an outage only the newest moment runs.
Times are seconds since the epoch (UTC).
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec

from actors.errors import SpecError
from runtime.core.cron import Cron

Overlap = Literal["skip", "queue", "allow"]
"""What happens to a moment that comes while the run before it has not ended."""
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
MAX_COUNTED = 1_000
"""Moments missed in one outage are counted up to so many: it takes 20 ms."""
MOMENT = "{moment}"
"""What stands for the moment in a key."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schedule stands."""

    next_at: float | None
    """Its next moment; None while it is paused, and where its expression names none for 50 years."""
    waiting_at: float | None = None
    """The moment that has come and has not run yet."""
    held: str | None = None
    """Why it has not, where it was looked at."""
    ran_at: float | None = None
    """The moment of the newest run, or when a person asked for it."""
    job: UUID | None = None
    """The newest run."""
    runs: int = 0
    skipped: int = 0
    """Moments that came while the run before had not ended."""
    missed: int = 0
    """Moments after which a newer one came before they could run: in an outage, or as they were refused."""
    note: str | None = None
    """Why the newest moment that was skipped or missed did not run."""
    noted_at: float | None = None

    def validate(self) -> None:
        """Raises AssertionError where it contradicts itself."""
        assert self.waiting_at is None or self.next_at is None or self.waiting_at < self.next_at, self
        assert self.held is None or self.waiting_at is not None, self
        assert (self.job is None) == (self.ran_at is None), self
        assert min(self.runs, self.skipped, self.missed) >= 0, self
        assert (self.note is None) == (self.noted_at is None) == (self.skipped + self.missed == 0), self


class Choice(enum.Enum):
    """What becomes of the moment that waits."""

    RUN = enum.auto()
    SKIP = enum.auto()
    WAIT = enum.auto()


def come(standing: Standing, cron: Cron, now: float) -> Standing:
    """The standing after the moments up to `now` have come: the newest of them waits."""
    first = standing.next_at
    if first is None or first > now:
        return standing
    newest = cron.newest(first, now)
    passed = _count(cron, first, newest)
    missed = passed + int(standing.waiting_at is not None)
    moved = msgspec.structs.replace(
        standing, next_at=cron.after(newest), waiting_at=newest, held=None, missed=standing.missed + missed
    )
    if not missed:
        return moved
    many = f"{missed:,} or more" if passed == MAX_COUNTED else str(missed)
    why = f", as {standing.held}" if standing.held else ""
    return _noted(moved, f"{many} before {moment_text(newest)} did not run until it came{why}", now)


def _count(cron: Cron, first: float, newest: float) -> int:
    """How many moments there are from `first` on before the newest one."""
    count, moment = 0, first
    later = cron.moments(first)
    while moment < newest and count < MAX_COUNTED:
        count, moment = count + 1, next(later, newest)
    return count


def choose(overlap: Overlap, *, running: bool) -> Choice:
    """What becomes of the moment that waits, where the run before is still `running` or has ended."""
    if not running or overlap == "allow":
        return Choice.RUN
    return Choice.SKIP if overlap == "skip" else Choice.WAIT


def ran(standing: Standing, moment: float, job: UUID) -> Standing:
    """The standing after a run was enqueued for a moment, be it the one that waits or a person's."""
    waited = standing.waiting_at == moment
    return msgspec.structs.replace(
        standing,
        waiting_at=None if waited else standing.waiting_at,
        held=None if waited else standing.held,
        ran_at=moment,
        job=job,
        runs=standing.runs + 1,
    )


def skipped(standing: Standing, now: float) -> Standing:
    """The standing after the moment that waits was skipped."""
    assert standing.waiting_at is not None, standing
    dropped = msgspec.structs.replace(standing, waiting_at=None, held=None, skipped=standing.skipped + 1)
    return _noted(dropped, f"{moment_text(standing.waiting_at)} was skipped, as {_unended(standing)}", now)


def waits(standing: Standing, refusal: str | None = None) -> Standing:
    """The standing while the moment that waits has to: as the run before has not ended, or for a refusal."""
    return msgspec.structs.replace(standing, held=refusal or _unended(standing))


def _noted(standing: Standing, note: str, now: float) -> Standing:
    return msgspec.structs.replace(standing, note=note, noted_at=now)


def _unended(standing: Standing) -> str:
    assert standing.ran_at is not None, standing
    return f"the run of {moment_text(standing.ran_at)} has not ended"


def moment_text(moment: float) -> str:
    """A moment in UTC: to the minute, or where it is none to the millisecond."""
    precision = "minutes" if moment % 60 == 0 else "milliseconds"
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def key_at(key: str | None, moment: float) -> str | None:
    """The key of the run of a moment."""
    return None if key is None else key.replace(MOMENT, moment_text(moment))


def require_overlap(overlap: str) -> None:
    """Raises SpecError."""
    if overlap not in OVERLAPS:
        raise SpecError("overlap", f"must be one of {', '.join(OVERLAPS)}, not {overlap!r}")
