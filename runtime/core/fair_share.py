"""Which tenant's entry runs next: start-time fair queueing, charged with the run time really used.

Each tenant has a start tag in virtual seconds. The runnable tenant with the lowest tag is served (equal tags: first
come, first served), and its tag grows by run time / weight. The virtual time is the highest start tag dispatched so
far; a tenant that becomes runnable starts at max(virtual time, its tag), so that idling earns nothing. When nothing
waits and nothing runs, the virtual time moves past every tag: what was used while nobody else wanted it is forgiven.
A tenant all of whose waiting entries are held back by their own keys, by a cap or by a hold counts as idle.

Run times are unknown in advance. An entry is charged with an estimate when it is taken and with the truth when it
completes; the start tag is then what it would have been had that charge been known. The estimate is a peak that decays,
as the latency in Finagle's "peak EWMA" balancer: too high a charge is corrected as soon as a short entry completes, too
low a one only when a long entry does, and its tenant is served beyond its share until then. Of a chunk the first entry
is charged so, and each further one with the moving average, as their errors cancel each other out.

Bounds. Let D be how many entries are out at once (slots x chunk limit), and c(f) the longest run time or estimate of
tenant f, w(f) its weight.

- Gap. Over any time in which f and g always have runnable entries, the run times W of what is dispatched satisfy
  |W(f)/w(f) - W(g)/w(g)| <= 2 D max(c(f)/w(f), c(g)/w(g)).
  A dispatch of f needs tag(f) <= tag(g), and what is known differs from the truth by the entries out: at most D of
  them at either end of the time. For one slot and exact estimates Goyal, Vin and Cheng prove c(f)/w(f) + c(g)/w(g)
  (Start-time Fair Queueing, SIGCOMM 1996, theorem 1); for D entries out Jin, Chase and Kaur generalise it (Interposed
  Proportional Sharing for a Storage Service Utility, SIGMETRICS 2004).
- Wait. An idle tenant without debt (lag >= 0) that brings one entry waits at most (n / slots + 3) c x chunk limit until
  it is taken, where n other tenants have runnable entries and c is the longest run time or estimate: each of them may
  hold one turn of the same tag, and up to D entries may have turned out shorter than charged, or longer. The weights
  do not matter to it, nor does the length of any queue.

A decision costs O(log tenants), whatever waits. A tenant that fills all the slots it may, or that is held, is put aside
and comes back when that ends: it costs the decisions about others nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from actors.spec import require_positive
from runtime.core.class_slots import ClassStanding
from runtime.core.fair_share_tenant import NOT_OUT, E, Taken, TenantShare, TenantState
from runtime.core.fair_share_terms import FairShareTerms, nobody
from runtime.core.work_classes import Guarantees

__all__ = ["FairShare", "Taken", "TenantShare"]

DEFAULT_ESTIMATE_SECONDS = 0.001
SMOOTHING = 0.125
"""Weight of the newest run time in the moving average, as in TCP's round-trip time (RFC 6298)."""
PEAK_DECAY = 0.0625
"""What each shorter run time takes of the peak's distance to it."""
LEAST_CHARGE_SECONDS = 1e-6
"""An entry costs at least what its dispatch costs; so tenants take turns even if the clock is too coarse to see it."""


class FairShare(FairShareTerms[E]):
    """The entries of one service that wait for a slot. Not thread-safe; the run times come from the caller's clock."""

    __slots__ = ("_blocked", "_front", "_horizon", "_ready", "_running")

    def __init__(
        self,
        *,
        default_estimate_seconds: float = DEFAULT_ESTIMATE_SECONDS,
        slots_per_entry: int = 1,
        wake: Callable[[], None] = nobody,
    ) -> None:
        """Until something has completed, an entry of a new tenant is charged with `default_estimate_seconds`.

        Later a new tenant starts with the average over all tenants. Each entry, or chunk, fills `slots_per_entry` of
        the slots that caps count. `wake` is called when something can be taken because an account has room again.
        """
        require_positive("default_estimate_seconds", default_estimate_seconds)
        require_positive("slots_per_entry", slots_per_entry)
        super().__init__(default_estimate_seconds, slots_per_entry, wake)
        self._front = self._heap.front
        self._horizon = 0.0
        self._ready = 0
        self._blocked = 0
        self._running = 0

    def push(self, tenant: str, key: str | None, entry: E) -> None:
        """Let `entry` wait. Entries of one tenant and key are taken in the order pushed, one at a time."""
        try:
            state = self._tenants[tenant]
        except KeyError:
            state = self._add_tenant(tenant)
        item = Taken(tenant, key, entry)
        if key is not None:
            keys = state.keys
            if key in keys:
                behind = keys[key]
                if behind is None:
                    keys[key] = deque((item,))
                else:
                    behind.append(item)
                state.blocked += 1
                self._blocked += 1
                return
            keys[key] = None
        ready = state.ready
        if not ready:
            self._activate(state)
        ready.append(item)
        self._ready += 1

    def take(self) -> Taken[E] | None:
        """Give out the entry that is to run next, or None if nothing is runnable."""
        state = self._front()
        if state is None:
            return None
        ready = state.ready
        item = ready.popleft()
        tag = state.tag
        if tag > self._virtual:  # noqa: PLR1730  # max() costs 50 ns, a tenth of this function
            self._virtual = tag
        item.charge = charge = state.peak * state.per_second
        item.period = state.period
        item.slots = cost = self._cost
        state.tag = tag + charge
        state.running += 1
        self._running += 1
        self._ready -= 1
        if state.periods is not None:
            state.charge_periods(charge, 1)
        state.room = room = state.room - cost
        if not ready:
            self._heap.pop()
        elif room < cost:
            self._heap.pop()
            state.parked = True
        if state.account is not None:
            state.account.fill(cost)
        return item

    def take_chunk(self, limit: int) -> list[Taken[E]]:
        """Give out up to `limit` (at least 1) entries of one tenant, to run one after another in one slot.

        They are what `take` would give to a single slot as long as it stays with that tenant, so entries of one key
        may follow each other. Every one of them has to be completed; a key is free when all of its entries are.
        """
        state = self._front()
        if state is None:
            return []
        self._virtual = max(self._virtual, state.tag)
        waited = state.blocked
        chunk = state.pop_chunk(limit)
        charge = state.estimate * state.per_second
        for item in chunk:
            item.charge = charge
            item.period = state.period
        chunk[0].charge = first = state.peak * state.per_second
        chunk[-1].slots = self._cost
        unblocked = waited - state.blocked
        self._blocked -= unblocked
        self._ready -= len(chunk) - unblocked
        self._charge_chunk(state, first + charge * (len(chunk) - 1), len(chunk))
        return chunk

    def complete(self, taken: Taken[E], run_seconds: float) -> None:
        """Record that `taken` ran for `run_seconds` (0 or more), however it ended, and free its key.

        Raises:
            ValueError: it is not out, or `run_seconds` is not a finite number from 0 up.
        """
        charge = taken.charge
        if charge < 0.0 or not 0.0 <= run_seconds < math.inf:
            raise ValueError(f"cannot complete after {run_seconds} s: out of range, or the entry is not out")
        taken.charge = NOT_OUT
        state = self._tenants[taken.tenant]
        state.running = running = state.running - 1
        self._running -= 1
        state.used_seconds += run_seconds
        if run_seconds < LEAST_CHARGE_SECONDS:  # noqa: PLR1730  # as in `take`
            run_seconds = LEAST_CHARGE_SECONDS
        state.estimate += (run_seconds - state.estimate) * SMOOTHING
        peak = state.peak
        if run_seconds != peak:
            state.peak = run_seconds if run_seconds > peak else peak + (run_seconds - peak) * PEAK_DECAY
        self._estimate += (run_seconds - self._estimate) * SMOOTHING
        correction = run_seconds * state.per_second - charge
        if state.periods is None:
            state.tag += correction
        else:
            state.correct_periods(taken.period, correction)
        if state.tag < state.queued and state.ready and not state.parked:
            self._heap.add(state)
        if taken.key is not None:
            self._release_key(state, taken.key)
        if taken.slots:
            state.room += taken.slots
            if state.parked or state.account is not None:
                self._free(state, taken.slots)
        if not running and not state.ready:
            self._retire(state)

    def next_tag(self) -> float | None:
        """The start tag of the entry that `take` would give; None if nothing is runnable."""
        state = self._front()
        return None if state is None else state.tag

    def burden(self, tenant: str, charge: float, most: float) -> None:
        """Charge a tenant that waits or runs here for what it was given elsewhere, or correct that, in virtual seconds.

        It is put no further behind by this than `most` beyond the virtual time, and a correction takes it no further
        forward than to that.
        """
        state = self._tenants.get(tenant)
        if state is None or not (state.ready or state.running):
            return
        ahead = state.tag - self._virtual
        charge = min(charge, max(0.0, most - ahead)) if charge > 0.0 else max(charge, min(0.0, -ahead))
        if charge:
            state.burden(charge)
            if state.tag < state.queued and state.ready and not state.parked:
                self._heap.add(state)

    def hold_key(self, tenant: str, key: str, first: Sequence[E]) -> None:
        """Let no entry of a key become ready until `resume_key`; `first` are the next ones then, in order.

        Those of the key that are out may complete meanwhile. Holding it again puts further ones before.
        """
        state = self._tenants.get(tenant) or self._add_tenant(tenant)
        state.hold_key(key, first)
        self._blocked += len(first)

    def resume_key(self, tenant: str, key: str, *, first: bool = False) -> None:
        """End the hold of a key. Safe if it was not held. What becomes ready by it is the tenant's last, or `first`."""
        state = self._tenants.get(tenant)
        if state is not None:
            item = state.resume_key(key)
            self._make_ready(state, item)
            if first and item is not None:
                state.ready.rotate(1)
            if not state.running and not state.ready:
                self._retire(state)

    def is_free(self, tenant: str, key: str) -> bool:
        """Whether nothing of a key waits or is out, and nothing holds its tenant."""
        return tenant not in self._holds and not self.has_key(tenant, key)

    def has_key(self, tenant: str, key: str) -> bool:
        """Whether anything of a key waits or is out, or it is held."""
        state = self._tenants.get(tenant)
        return state is not None and key in state.keys

    def holds_key(self, tenant: str, key: str | None) -> bool:
        """Whether a key is held."""
        state = self._tenants.get(tenant)
        return state is not None and state.held is not None and key in state.held

    def behind_key(self, tenant: str, key: str) -> Iterator[E]:
        """The entries that wait behind a key, in order."""
        state = self._tenants.get(tenant)
        return iter(()) if state is None else (item.entry for item in state.keys.get(key) or ())

    def successor(self) -> FairShare[E]:
        """An empty scheduler with the same terms. From this one nothing may be taken any more."""
        made: FairShare[E] = FairShare(
            default_estimate_seconds=self._estimate, slots_per_entry=self._cost, wake=self._wake
        )
        self._hand_over(made)
        return made

    def withdraw(self, matches: Callable[[E], bool]) -> list[E]:
        """Remove the waiting entries that match and return them, those of one key in their order. O(everything)."""
        gone: list[E] = []
        for state in list(self._tenants.values()):
            ready, blocked = len(state.ready), state.blocked
            gone += state.withdraw(matches)
            self._ready -= ready - len(state.ready)
            self._blocked -= blocked - state.blocked
            if ready and not state.ready:
                if not state.parked:
                    self._heap.remove(state)
                state.parked = False
                if not state.running:
                    self._retire(state)
        return gone

    def depth(self, tenant: str) -> int:
        """How many entries of `tenant` wait."""
        state = self._tenants.get(tenant)
        return 0 if state is None else len(state.ready) + state.blocked

    def is_back(self, _tenant: str, _matches: Callable[[E], bool]) -> bool:
        """Whether flow control put an entry of a tenant that matches at the back."""
        return False

    def put_back(self, _tenant: str) -> int | None:
        """How many entries of a tenant flow control put at the back; None where there is none."""
        return None

    def class_of(self, _tenant: str, _matches: Callable[[E], bool]) -> ClassStanding | None:
        """The class of the first entry of a tenant that waits and matches; None where entries have no classes."""
        return None

    def classes(self) -> list[ClassStanding]:
        """The classes of entries; none where they have none."""
        return []

    def set_classes(self, _total: int, _guarantees: Guarantees) -> None:
        """Share out so many slots among the classes of entries, where they have any."""

    def find(self, tenant: str, matches: Callable[[E], bool]) -> tuple[int, bool] | None:
        """See `TenantState.find`."""
        state = self._tenants.get(tenant)
        return None if state is None else state.find(matches)

    def standing(self, tenant: str) -> TenantShare | None:
        """A tenant's standing, if it is known."""
        state = self._tenants.get(tenant)
        return None if state is None else state.statistics(self._virtual)

    def runnable(self) -> Iterator[TenantShare]:
        """The standing of every tenant that could have an entry taken now."""
        return (state.statistics(self._virtual) for state in self._heap.states())

    def heads(self) -> Iterator[E]:
        """The entry of every waiting tenant that would be taken first. O(tenants), for people who look."""
        return (state.ready[0].entry for state in self._tenants.values() if state.ready)

    def __len__(self) -> int:
        """How many entries wait."""
        return self._ready + self._blocked

    @property
    def running(self) -> int:
        """How many entries are out."""
        return self._running

    @property
    def estimate_seconds(self) -> float:
        """The average run time over all tenants."""
        return self._estimate

    @property
    def virtual_time(self) -> float:
        """The highest start tag dispatched, in seconds of slot time at weight 1."""
        return self._virtual

    def tenants(self) -> Iterator[TenantShare]:
        """The standing of every tenant that waits, runs or has a debt, and of some that were active lately."""
        virtual = self._virtual
        yield from (state.statistics(virtual) for state in self._tenants.values())
        yield from (debt.statistics(name, self.terms(name), virtual) for name, debt in self._idle.debts())

    def _free(self, state: TenantState[E], slots: int) -> None:
        if state.account is not None:
            state.account.free(slots)
        self._settle(state)

    def _charge_chunk(self, state: TenantState[E], charge: float, count: int) -> None:
        state.tag += charge
        state.running += count
        self._running += count
        if state.periods is not None:
            state.charge_periods(charge, count)
        state.room = room = state.room - self._cost
        if not state.ready:
            self._heap.pop()
        elif room < self._cost:
            self._heap.pop()
            state.parked = True
        if state.account is not None:
            state.account.fill(self._cost)

    def _release_key(self, state: TenantState[E], key: str) -> None:
        self._make_ready(state, state.release_key(key))

    def _make_ready(self, state: TenantState[E], item: Taken[E] | None) -> None:
        if item is not None:
            if not state.ready:
                self._activate(state)
            state.ready.append(item)
            self._blocked -= 1
            self._ready += 1

    def _retire(self, state: TenantState[E]) -> None:
        """Put a tenant aside that has nothing waiting and nothing out, and forget some that have no debt."""
        self._horizon = max(self._horizon, state.tag)
        if not self._running and not self._ready:
            self._virtual = max(self._virtual, self._horizon)
        self._idle.add(state, self._virtual)

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other. O(everything), for tests."""
        states = list(self._tenants.values())
        for state in states:
            state.validate()
            assert state.ready or state.running or state.held or state.idle, "an idle tenant would never be forgotten"
            assert state.estimate >= 0.0
            assert state.terms == self.terms(state.name)
            assert not state.ready or state.parked != state.may_start(self._cost), "put aside without a reason"
        assert self._ready == sum(len(state.ready) for state in states)
        assert self._blocked == sum(state.blocked for state in states)
        assert self._running == sum(state.running for state in states)
        self._idle.validate()
        queued = {state.name for state in self._heap.validate()}
        assert queued == {state.name for state in states if state.ready and not state.parked}
