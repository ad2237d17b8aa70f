"""Classes of work by size, each of which is guaranteed a part of the slots, so that long work cannot fill all of them.

Running work is not interrupted. What is kept for a class therefore stays free of other classes even while nothing of it
waits: such a slot is empty although others wait, which is what the guarantee costs. It is a cap that somebody set, like
the caps of tenants; where no class has a guarantee no slot is kept.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive

WorkClass = Literal["small", "medium", "large", "unknown"]
"""unknown: by run time, too few have run to tell; as a service's own class, none was named."""
WORK_CLASSES: tuple[WorkClass, ...] = get_args(WorkClass)
SMALL, MEDIUM, LARGE, UNKNOWN = range(4)
"""Their places in `WORK_CLASSES`, by which the schedulers know them."""

Guarantees = Mapping[WorkClass, float]
"""Each class's part of the slots, from 0 to 1."""

RUNS_SEEN = 3
SMOOTHING = 0.125
"""Weight of the newest run time in the moving average, as in TCP's round-trip time (RFC 6298)."""
KINDS_KEPT = 10_000
_ROUNDING = 1e-9


class BySize(msgspec.Struct, frozen=True, kw_only=True):
    """Events are classed by their payload: from `medium_bytes` of JSON on they are medium, from `large_bytes` on large.

    `guarantees` are the parts of the service's slots that are kept for classes: see `kept_slots`.

    Raises:
        SpecError: the sizes do not go up from above 0, or the parts are out of range.
    """

    medium_bytes: int
    large_bytes: int
    guarantees: dict[WorkClass, float]

    def __post_init__(self) -> None:
        _require_rising("medium_bytes", self.medium_bytes, "large_bytes", self.large_bytes)
        require_guarantees("guarantees", self.guarantees)
        require_possible("guarantees", self, self.guarantees)


class ByRunTime(msgspec.Struct, frozen=True, kw_only=True):
    """Events are classed by how long those of their tenant and message class filled a slot before, on average.

    From `medium_seconds` on they are medium, from `large_seconds` on large, and unknown until `runs_seen` have ended.
    The averages are this process's own, of the last 10,000 pairs of tenant and message class, and begin anew with it.
    An event has the class that it had when it was read into memory.

    Raises:
        SpecError: the times do not go up from above 0, `runs_seen` is below 1, or the parts are out of range.
    """

    medium_seconds: float
    large_seconds: float
    guarantees: dict[WorkClass, float]
    runs_seen: int = RUNS_SEEN

    def __post_init__(self) -> None:
        _require_rising("medium_seconds", self.medium_seconds, "large_seconds", self.large_seconds)
        if self.runs_seen < 1:
            raise SpecError("runs_seen", f"must be at least 1, not {self.runs_seen}")
        require_guarantees("guarantees", self.guarantees)


WorkClasses = BySize | ByRunTime


def class_of_size(rule: BySize, size: int) -> int:
    """The class of a payload of so many bytes."""
    return SMALL if size < rule.medium_bytes else MEDIUM if size < rule.large_bytes else LARGE


def class_of_seconds(rule: ByRunTime, seconds: float) -> int:
    """The class of an average run time."""
    return SMALL if seconds < rule.medium_seconds else MEDIUM if seconds < rule.large_seconds else LARGE


class RunTimes:
    """What `ByRunTime` goes by: the average run time of each kind of event, of the last ones that ran."""

    __slots__ = ("_kinds", "_rule")

    def __init__(self, rule: ByRunTime) -> None:
        self._rule = rule
        self._kinds: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def class_of(self, kind: tuple[str, str]) -> int:
        """The class of the next event of a kind."""
        seen, average = self._kinds.get(kind, (0, 0.0))
        return UNKNOWN if seen < self._rule.runs_seen else class_of_seconds(self._rule, average)

    def ran(self, kind: tuple[str, str], seconds: float) -> None:
        """Note how long an event of a kind ran."""
        seen, average = self._kinds.pop(kind, (0, 0.0))
        average += (seconds - average) * max(SMOOTHING, 1 / (seen + 1))
        self._kinds[kind] = (seen + 1, average)
        if len(self._kinds) > KINDS_KEPT:
            self._kinds.popitem(last=False)


def kept_slots(total: int, guarantees: Guarantees) -> list[int]:
    """How many of `total` slots are kept for each class: its part, rounded down.

    A part of less than one slot is made one as long as a slot is left for those that have none. So every class can
    always run something.
    """
    kept = [math.floor(guarantees.get(name, 0.0) * total + _ROUNDING) for name in WORK_CLASSES]
    for place, name in enumerate(WORK_CLASSES):
        if guarantees.get(name) and not kept[place]:
            shared = any(not other for where, other in enumerate(kept) if where != place)
            if sum(kept) + 1 + shared <= total:
                kept[place] = 1
    return kept


def require_possible(field: str, rule: WorkClasses, guarantees: Guarantees) -> None:
    """Raise SpecError, naming the field, if a part is for a class that no event falls into."""
    if isinstance(rule, BySize) and "unknown" in guarantees:
        raise SpecError(f"{field}.unknown", "is for nothing: the size of an event is always known")


def require_slots(field: str, guarantees: Guarantees, total: int) -> None:
    """Raise SpecError, naming the field, unless so many slots are enough to keep one for each class with a part."""
    if total < 2:
        raise SpecError("slots", "must be for at least 2 events at once, as classes of work cannot share one")
    for name, kept in zip(WORK_CLASSES, kept_slots(total, guarantees), strict=True):
        if name in guarantees and not kept:
            raise SpecError(f"{field}.{name}", f"comes to no slot: of {total} each class needs one")


def require_guarantees(field: str, guarantees: Guarantees) -> None:
    """Raise SpecError, naming the field, unless the parts are above 0 and leave room for classes without one."""
    for name, part in guarantees.items():
        if name not in WORK_CLASSES:
            raise SpecError(field, f"{name!r} is no class; there are {', '.join(WORK_CLASSES)}")
        if not 0.0 < part <= 1.0:
            raise SpecError(f"{field}.{name}", f"must be above 0 and at most 1, not {part}")
    total = sum(guarantees.values())
    if total > 1.0 + _ROUNDING:
        raise SpecError(field, f"come to {total:g} of the slots, which is more than all")
    if len(guarantees) < len(WORK_CLASSES) and total > 1.0 - 1e-6:
        others = ", ".join(name for name in WORK_CLASSES if name not in guarantees)
        raise SpecError(field, f"come to all of the slots, so that nothing else would ever run ({others})")


def _require_rising(low_field: str, low: float, high_field: str, high: float) -> None:
    require_positive(low_field, low)
    require_positive(high_field, high)
    if high <= low:
        raise SpecError(high_field, f"must be above {low_field}, {low}, not {high}")
