"""What a schedule is: the moments of a cron expression, and the event that each of them brings."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive
from runtime.core.cron import Cron
from runtime.core.names import NAME

Overlap = Literal["skip", "queue", "allow"]
"""What happens to a moment that comes while the run before it has not ended."""
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
MOMENT = "{moment}"
"""What stands for the moment in a key."""
RUN_ID = "{id}"
"""What stands in a key for the id of the run."""
MAX_KNOWN_CRONS = 1_000


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a tenant's schedules. At each moment an event goes to `service`: a run, whose id is that of its job.

    The moments are those of `cron`, five fields that count minutes, in `timezone`; see `runtime.core.cron`. In `key`,
    `{moment}` stands for the moment, as `2026-01-31T03:00Z`, and `{id}` for the id of the run.
    """

    tenant: str
    name: str
    cron: str
    timezone: str = "UTC"
    service: str
    type: str | None = None
    """The message's name, empty for a dynamic one; None where the service takes one only."""
    payload: msgspec.Raw
    """The message as JSON."""
    key: str | None = None
    overlap: Overlap = "skip"
    """What becomes of a moment that comes while the run before it has not ended: it is skipped, it waits for that end,
    or it runs all the same."""
    catch_up_seconds: float | None = None
    """How late a moment may run, after an outage or because it had to wait; None for however late."""

    @property
    def moments(self) -> Cron:
        """Raises SpecError, also where this machine does not know the time zone."""
        return _cron(self.cron, self.timezone)

    def key_of(self, moment: float, run: UUID) -> str | None:
        """The key of the run of a moment."""
        return None if self.key is None else self.key.replace(MOMENT, moment_text(moment)).replace(RUN_ID, str(run))

    @property
    def has_own_keys(self) -> bool:
        """Whether each run has a key of its own."""
        return self.key is not None and (MOMENT in self.key or RUN_ID in self.key)


def require_schedule(schedule: Schedule) -> None:
    """Raises SpecError with the field that is wrong. Whether the service takes the event is for others to say."""
    require_schedule_name(schedule.name)
    _cron(schedule.cron, schedule.timezone)
    if schedule.overlap not in OVERLAPS:
        raise SpecError("overlap", f"must be one of {', '.join(OVERLAPS)}, not {schedule.overlap!r}")
    if schedule.catch_up_seconds is not None:
        require_positive("catch_up_seconds", schedule.catch_up_seconds)


def require_schedule_name(name: str) -> None:
    """Raises SpecError."""
    if not NAME.fullmatch(name):
        raise SpecError("name", f"{name!r} must be a lower-case word of at most 63 letters, digits, - or _")


def moment_text(moment: float) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%MZ")


_cron = functools.lru_cache(MAX_KNOWN_CRONS)(Cron)
