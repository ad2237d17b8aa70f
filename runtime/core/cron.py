"""The moments that a cron expression names, in a time zone. Times are seconds since the epoch (UTC).

Five fields, as in Debian's cron: minute, hour, day of the month, month, day of the week, with names, `L`, `LW` and `#`.
Where a zone's clocks jump, an expression with a fixed minute and hour runs once a day: at the first moment after the
gap that its time falls into, and at the first of two that its time names. One whose minute or hour begins with `*`
goes by time that really passes: nothing is made up for a gap, and what comes twice runs twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from actors.errors import SpecError

FIELDS = 5
MAX_CHARACTERS = 200
MAX_STEPS = 2_000
"""How many moments of a repeated hour are passed over: there are 60 minutes in it, or 120."""
ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Cron:
    """An expression in a time zone. A zone is that of the IANA database, such as `Europe/Athens`, or `UTC`.

    Raises:
        SpecError: `cron` or `timezone`, with what is wrong.
    """

    __slots__ = ("_text", "_zone")

    def __init__(self, text: str, timezone: str) -> None:
        self._zone = _zone(timezone)
        self._text = _expression(text)

    def after(self, moment: float) -> float | None:
        """The first moment after another one, or None where there is none for 50 years."""
        return next(self.moments(moment), None)

    def moments(self, after: float) -> Iterator[float]:
        """The moments after one, each later than the one before."""
        last, stayed = after, 0
        for each in CronSim(self._text, datetime.fromtimestamp(after, self._zone)):
            found = each.timestamp()
            if found > last:
                last, stayed = found, 0
                yield found
            elif (stayed := stayed + 1) > MAX_STEPS:
                return

    def newest(self, first: float, now: float) -> float:
        """The last moment that is not after `now`, where `first` is one: in as many steps as the span has bits."""
        newest, end = first, now
        while (middle := (newest + end) / 2) - newest > 1:
            found = self.after(middle)
            if found is not None and found <= now:
                newest = found
            else:
                end = middle
        found = self.after(newest)
        return found if found is not None and found <= now else newest


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known also where there is no database of zones
        return UTC
    try:
        if len(name) <= MAX_CHARACTERS and ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    raise SpecError(
        "timezone", f"{name!r} is none that this machine knows; it needs the system's zones or the package tzdata"
    )


def _expression(text: str) -> str:
    if text.startswith("@"):
        if text not in NAMES:
            raise SpecError("cron", f"{text!r} is none of {', '.join(NAMES)}")
        return NAMES[text]
    if len(text) > MAX_CHARACTERS:
        raise SpecError("cron", f"has {len(text)} characters; the limit is {MAX_CHARACTERS}")
    fields = text.split()
    if len(fields) != FIELDS:
        wanted = "minute, hour, day of the month, month, day of the week"
        raise SpecError("cron", f"{text!r} has {len(fields)} fields, not {FIELDS}: {wanted}")
    try:
        has_moments = next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)), None) is not None
    except CronSimError as error:
        raise SpecError("cron", f"{text!r}: {str(error).lower()}") from None
    if not has_moments:
        raise SpecError("cron", f"{text!r} names no moment within 50 years")
    return text
