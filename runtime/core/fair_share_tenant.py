"""One tenant's side of `runtime.core.fair_share`: its queues, its keys, and its start tag under late corrections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from runtime.core.slot_account import NO_CAP, SlotAccount

E = TypeVar("E")

NOT_OUT = -1.0
"""`Taken.charge` of an entry that waits, or has completed."""


class Taken(msgspec.Struct, Generic[E], gc=False, eq=False):
    """An entry that was taken and has to be given to `FairShare.complete` once.

    Left out of garbage collection, so that a deep queue costs it nothing. For that reason entries must not refer to
    each other through it: a chain of such objects would also overflow the C stack when it is freed.
    """

    tenant: str
    key: str | None
    entry: E
    charge: float = NOT_OUT
    """Virtual seconds charged at dispatch: the run time expected / weight."""
    period: int = 0
    """The tenant's busy period in which it was dispatched."""
    slots: int = 0
    """Slots that are filled until it completes. Of a chunk, which shares them, the last entry counts."""


class Terms(msgspec.Struct, frozen=True):
    """On what terms a tenant is served; kept while it is idle."""

    weight: float = 1.0
    cap: int = NO_CAP
    """How many slots it may fill."""
    holds: frozenset[str] = frozenset()
    """For what reasons nothing of it is started. Each is put on and taken off by itself."""

    @property
    def allowance(self) -> int:
        return 0 if self.holds else self.cap


DEFAULT_TERMS = Terms()


class TenantShare(msgspec.Struct, frozen=True):
    """A tenant's standing at one moment."""

    tenant: str
    weight: float
    waiting: int
    running: int
    slots: int
    """Slots that it fills."""
    start_tag: float
    """Virtual time at which its next entry would start; the lowest one among the runnable is dispatched."""
    lag: float
    """Virtual time minus `start_tag`: above 0 it is owed service, at or below 0 it has had its share."""
    estimate_seconds: float
    used_seconds: float
    """Slot time of its completed entries since the scheduler came to know it (idle tenants are forgotten)."""


class BusyPeriod:
    """What the start tag would be, had no later busy period lifted it to the virtual time.

    `running` counts the entries dispatched in the period that have not completed.
    """

    __slots__ = ("number", "running", "tag")

    def __init__(self, number: int, tag: float, running: int) -> None:
        self.number = number
        self.tag = tag
        self.running = running


class TenantState(Generic[E]):
    """What the scheduler knows of a tenant.

    The start tag is a fold over the tenant's history: a charge adds to it, the begin of a busy period lifts it to the
    virtual time of that moment if it is below. Once a charge is corrected after a later period began, adding the
    difference to the result is wrong: the lift may have forgiven it already (the tenant would pay twice), or hidden
    it (the tenant would earn credit for idling). `periods` keeps what is needed to redo the fold: one record for each
    busy period that still has entries out, hence at most one more than there are entries out. It is None while all
    entries out belong to the present period, and then `tag` is all there is.
    """

    __slots__ = (
        "account",
        "blocked",
        "estimate",
        "held",
        "idle",
        "keys",
        "name",
        "order",
        "parked",
        "peak",
        "per_second",
        "period",
        "periods",
        "queued",
        "ready",
        "repeats",
        "room",
        "running",
        "tag",
        "terms",
        "used_seconds",
    )

    def __init__(self, name: str, tag: float, estimate: float) -> None:
        self.name = name
        self.terms = DEFAULT_TERMS
        self.per_second = DEFAULT_TERMS.weight
        self.account: SlotAccount | None = None
        self.room = NO_CAP
        """How many more slots it may fill: none if below the cost of one entry."""
        self.parked = False
        """Whether it has ready entries and may not have one started."""
        self.tag = tag
        self.estimate = estimate
        """Moving average of its run times."""
        self.peak = estimate
        """Its longest run time, of which each shorter one takes a part."""
        self.used_seconds = 0.0
        self.running = 0
        self.order = 0
        """Marks the one place in the heap that is this tenant's; others that name it are stale."""
        self.queued = 0.0
        """The tag of that place, at most `tag`; meaningless while nothing is ready."""
        self.period = 0
        self.periods: list[BusyPeriod] | None = None
        self.idle = False
        """Whether it stands in the scheduler's line of idle tenants."""
        self.ready: deque[Taken[E]] = deque()
        self.keys: dict[str, deque[Taken[E]] | None] = {}
        """Keys of which one entry is ready or out, with those that wait behind it."""
        self.blocked = 0
        """How many wait behind their keys."""
        self.held: dict[str, bool] | None = None
        """Keys whose next entry must not become ready yet, and whether none of theirs is out any more."""
        self.repeats: dict[str, int] | None = None
        """Keys of which one chunk holds several entries: how many beyond the first are out."""

    @property
    def filled(self) -> int:
        """Slots that it fills."""
        return self.terms.allowance - self.room

    def set_terms(self, terms: Terms) -> None:
        self.room += terms.allowance - self.terms.allowance
        self.terms = terms
        self.per_second = 1.0 / terms.weight

    def may_start(self, slots: int) -> bool:
        """Whether an entry that needs so many slots may be started."""
        return self.room >= slots and (self.account is None or self.account.has_room(slots))

    def begin_period(self, virtual: float) -> None:
        """Lift the tag to `virtual` while entries of an earlier busy period are still out."""
        periods = self.periods
        if periods is None:
            periods = self.periods = [BusyPeriod(self.period, self.tag, self.running)]
        last = periods[-1]
        if last.running:
            self.period += 1
            periods.append(BusyPeriod(self.period, virtual, 0))
        elif last.tag < virtual:
            last.tag = virtual
        self.tag = max(self.tag, virtual)

    def charge_periods(self, charge: float, count: int) -> None:
        """Charge `count` entries that are dispatched now; the caller has moved `tag`."""
        periods = self.periods
        assert periods is not None
        for period in periods:
            period.tag += charge
        periods[-1].running += count

    def burden(self, charge: float) -> None:
        """Charge it for something that is no entry of its own."""
        self.tag += charge
        for period in self.periods or ():
            period.tag += charge

    def correct_periods(self, number: int, correction: float) -> None:
        """Correct the charge of an entry that completes, and drop the period that has no entry out any more."""
        periods = self.periods
        assert periods is not None
        index = next(index for index, period in enumerate(periods) if period.number == number)
        for period in periods[: index + 1]:
            period.tag += correction
        period = periods[index]
        period.running -= 1
        if not period.running and index + 1 < len(periods):
            following = periods[index + 1]
            following.tag = max(following.tag, period.tag)
            del periods[index]
        self.tag = max(period.tag for period in periods)
        if len(periods) == 1:
            self.periods = None

    def release_key(self, key: str) -> Taken[E] | None:
        """End one entry of `key` and return the one that becomes ready by it, if any."""
        if self.repeats is not None and key in self.repeats:
            self._release_repeat(self.repeats, key)
            return None
        if self.held is not None and key in self.held:
            self.held[key] = True
            return None
        behind = self.keys[key]
        if not behind:
            del self.keys[key]
            return None
        self.blocked -= 1
        return behind.popleft()

    def hold_key(self, key: str, first: Sequence[E]) -> None:
        """Put entries before those that wait behind a key, and let none of them become ready."""
        held = self.held = {} if self.held is None else self.held
        vacant = key not in self.keys
        held[key] = held.get(key, vacant)
        behind = self.keys.get(key) or deque()
        behind.extendleft(Taken(self.name, key, entry) for entry in reversed(first))
        self.keys[key] = behind
        self.blocked += len(first)

    def resume_key(self, key: str) -> Taken[E] | None:
        """End the hold of a key and return the entry that becomes ready by it, if any."""
        held = self.held
        if held is None or key not in held:
            return None
        vacant = held.pop(key)
        if not held:
            self.held = None
        return self.release_key(key) if vacant else None

    def _release_repeat(self, repeats: dict[str, int], key: str) -> None:
        repeats[key] -= 1
        if not repeats[key]:
            del repeats[key]
            if not repeats:
                self.repeats = None

    def withdraw(self, matches: Callable[[E], bool]) -> list[E]:
        """Remove every entry that matches and return them, those of one key in their order."""
        gone: list[E] = []
        ready, self.ready = self.ready, deque()
        for item in ready:
            follower: Taken[E] | None = item
            while follower is not None and matches(follower.entry):
                gone.append(follower.entry)
                follower = None if follower.key is None else self.release_key(follower.key)
            if follower is not None:
                self.ready.append(follower)
        for key, behind in self.keys.items():
            if behind:
                gone += [item.entry for item in behind if matches(item.entry)]
                self.keys[key] = deque(item for item in behind if not matches(item.entry))
                self.blocked -= len(behind) - len(self.keys[key] or ())
        return gone

    def pop_chunk(self, limit: int) -> list[Taken[E]]:
        """Remove up to `limit` entries in the order in which a single slot would take them one by one."""
        ready = self.ready
        chunk = [ready.popleft() for _ in range(min(limit, len(ready)))]
        if self.blocked and len(chunk) < limit:
            self._follow_keys(chunk, limit)
        return chunk

    def _follow_keys(self, chunk: list[Taken[E]], limit: int) -> None:
        repeats = self.repeats or {}
        for item in chunk:  # it grows while it is walked: the follower of a follower comes after it
            if len(chunk) == limit:
                break
            key = item.key
            behind = None if key is None else self.keys[key]
            if key is not None and behind:
                chunk.append(behind.popleft())
                repeats[key] = repeats.get(key, 0) + 1
                self.blocked -= 1
        self.repeats = repeats or None

    def find(self, matches: Callable[[E], bool]) -> tuple[int, bool] | None:
        """How many entries are before one that waits, and whether its key holds it; None if it does not wait.

        O(waiting), for people who look.
        """
        for ahead, item in enumerate(self.ready):
            if matches(item.entry):
                return ahead, False
        for behind in self.keys.values():
            for ahead, item in enumerate(behind or ()):
                if matches(item.entry):
                    return len(self.ready) + ahead, True
        return None

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other."""
        assert self.running >= 0
        assert self.filled >= 0
        assert self.running or not self.filled, "nothing fills a slot"
        assert not self.parked or self.ready
        assert self.blocked == sum(len(behind) for behind in self.keys.values() if behind)
        keyed = [item.key for item in self.ready if item.key is not None]
        assert len(keyed) == len(set(keyed)), "one key is ready twice"
        assert set(keyed) <= self.keys.keys()
        vacant = {key for key, vacant in (self.held or {}).items() if vacant}
        assert not vacant & set(keyed), "a held key is ready"
        assert len(self.keys) - len(keyed) - len(vacant) <= self.running, "a key is held by nothing"
        assert self.repeats is None or set(self.repeats) <= self.keys.keys() - set(keyed)
        assert all(item.charge == NOT_OUT for item in self.ready)
        if self.periods is not None:
            self._validate_periods(self.periods)

    def _validate_periods(self, periods: list[BusyPeriod]) -> None:
        assert len(periods) > 1
        assert all(period.running > 0 for period in periods[:-1])
        assert sum(period.running for period in periods) == self.running
        assert self.tag == max(period.tag for period in periods)
        numbers = [period.number for period in periods]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == self.period

    def statistics(self, virtual: float) -> TenantShare:
        return TenantShare(
            tenant=self.name,
            weight=self.terms.weight,
            waiting=len(self.ready) + self.blocked,
            running=self.running,
            slots=self.filled,
            start_tag=self.tag,
            lag=virtual - self.tag,
            estimate_seconds=self.estimate,
            used_seconds=self.used_seconds,
        )
