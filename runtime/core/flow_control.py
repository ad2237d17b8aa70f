"""Flow control: new entries of a tenant that holds most of the queue, and has entries running, go to the back.

    push -> most of the first N belong to the tenant, and it runs -> put back until all that waits now has been taken
         -> otherwise ------------------------------------------> the fair share

An entry that was put back waits for every entry that waited when it came, of whichever tenant. Later ones of its tenant
follow it, so that the order of its keys is kept. Where nothing else can be taken they are given out at once: no slot
stays empty for it. As the tenant is backlogged anyway, its share is what it was, and a quiet tenant waits no longer.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from runtime.core.fair_share import FairShare
from runtime.core.fair_share_tenant import E, Taken


class FirstEntries:
    """To whom the first `size` entries of a queue belong, in the order in which they came."""

    __slots__ = ("_counts", "_gone", "_rest", "_size", "_within")

    def __init__(self, size: int) -> None:
        self._size = size
        self._within = 0
        self._counts: Counter[str] = Counter()
        self._rest: deque[str] = deque()
        self._gone: Counter[str] = Counter()
        """Those of the rest that have left already, by tenant."""

    def is_majority(self, tenant: str) -> bool:
        """Whether more than half of them belong to a tenant."""
        return 2 * self._counts[tenant] > self._within

    def add(self, tenant: str) -> None:
        if self._within < self._size and not self._rest:
            self._within += 1
            self._counts[tenant] += 1
        else:
            self._rest.append(tenant)

    def remove(self, tenant: str) -> None:
        """The oldest entry of a tenant has left."""
        if not self._counts[tenant]:
            self._gone[tenant] += 1
            return
        self._counts[tenant] -= 1
        if not self._counts[tenant]:
            del self._counts[tenant]
        self._within -= 1
        self._refill()

    def _refill(self) -> None:
        while self._rest and self._within < self._size:
            tenant = self._rest.popleft()
            if self._gone[tenant]:
                self._gone[tenant] -= 1
            else:
                del self._gone[tenant]
                self._within += 1
                self._counts[tenant] += 1


def make_share(examined: int | None, *, slots_per_entry: int, wake: Callable[[], None]) -> FairShare[E]:
    """A fair share, with flow control over the first `examined` entries if that is a number."""
    if examined is None:
        return FairShare(slots_per_entry=slots_per_entry, wake=wake)
    return FlowControlledShare(examined=examined, slots_per_entry=slots_per_entry, wake=wake)


class FlowControlledShare(FairShare[E]):
    """A fair share that looks at the first `examined` waiting entries before it takes in a new one."""

    __slots__ = ("_back", "_back_keys", "_examined", "_first", "_left", "reenqueued")

    def __init__(self, *, examined: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._examined = examined
        self._first = FirstEntries(examined)
        self._back: dict[str, deque[tuple[int, str | None, E]]] = {}
        """Entries that were put back, with how many must have left before."""
        self._back_keys: Counter[tuple[str, str]] = Counter()
        self._left = 0
        self.reenqueued: Counter[str] = Counter()
        """How many entries of each tenant were put back."""

    def push(self, tenant: str, key: str | None, entry: E) -> None:
        if tenant in self._back or (self._first.is_majority(tenant) and self._runs(tenant)):
            self.reenqueued[tenant] += 1
            self._back.setdefault(tenant, deque()).append((self._left + len(self), key, entry))
            if key is not None:
                self._back_keys[tenant, key] += 1
        else:
            super().push(tenant, key, entry)
        self._first.add(tenant)

    def hold_key(self, tenant: str, key: str, first: Sequence[E]) -> None:
        super().hold_key(tenant, key, first)
        for _ in first:
            self._first.add(tenant)

    def take(self) -> Taken[E] | None:
        taken = super().take()
        if taken is None and self._back:
            self._release(always=True)
            taken = super().take()
        if taken is not None:
            self._took(taken.tenant, 1)
        return taken

    def take_chunk(self, limit: int) -> list[Taken[E]]:
        chunk = super().take_chunk(limit)
        if not chunk and self._back:
            self._release(always=True)
            chunk = super().take_chunk(limit)
        if chunk:
            self._took(chunk[0].tenant, len(chunk))
        return chunk

    def withdraw(self, matches: Callable[[E], bool]) -> list[E]:
        self._release(always=True)
        gone = super().withdraw(matches)
        self._first = FirstEntries(self._examined)
        for share in self.tenants():
            for _ in range(share.waiting):
                self._first.add(share.tenant)
        return gone

    def depth(self, tenant: str) -> int:
        return super().depth(tenant) + len(self._back.get(tenant, ()))

    def next_tag(self) -> float | None:
        tag = super().next_tag()
        if tag is None and self._back:
            self._release(always=True)
            tag = super().next_tag()
        return tag

    def has_key(self, tenant: str, key: str) -> bool:
        return (tenant, key) in self._back_keys or super().has_key(tenant, key)

    def is_back(self, tenant: str, matches: Callable[[E], bool]) -> bool:
        return any(matches(entry) for _, _, entry in self._back.get(tenant, ()))

    def put_back(self, tenant: str) -> int | None:
        return self.reenqueued[tenant]

    def successor(self) -> FlowControlledShare[E]:
        made: FlowControlledShare[E] = FlowControlledShare(
            examined=self._examined,
            default_estimate_seconds=self._estimate,
            slots_per_entry=self._cost,
            wake=self._wake,
        )
        self._hand_over(made)
        return made

    def __len__(self) -> int:
        return super().__len__() + sum(map(len, self._back.values()))

    def _runs(self, tenant: str) -> bool:
        state = self._tenants.get(tenant)
        return state is not None and state.running > 0

    def _took(self, tenant: str, count: int) -> None:
        self._left += count
        for _ in range(count):
            self._first.remove(tenant)
        if self._back:
            self._release(always=False)

    def _release(self, *, always: bool) -> None:
        """Let those in for whom all others have gone that were before them, or everyone."""
        for tenant, entries in list(self._back.items()):
            while entries and (always or entries[0][0] <= self._left):
                _, key, entry = entries.popleft()
                if key is not None:
                    self._forget_back_key(tenant, key)
                super().push(tenant, key, entry)
            if not entries:
                del self._back[tenant]

    def _forget_back_key(self, tenant: str, key: str) -> None:
        self._back_keys[tenant, key] -= 1
        if not self._back_keys[tenant, key]:
            del self._back_keys[tenant, key]
