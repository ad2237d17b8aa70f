"""Keys whose entries fall in several classes of work: those of a class wait for the earlier ones of another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Generic

from runtime.core.fair_share_tenant import E


class MixedKeys(Generic[E]):
    """What waits, in order, until nothing of its key is left in the fair share of another class."""

    __slots__ = ("_entries", "_tenants", "_waiting")

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], deque[tuple[int, E]]] = {}
        self._tenants: Counter[str] = Counter()
        self._waiting: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._tenants.total()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._entries

    def listed(self) -> list[tuple[str, str]]:
        return list(self._entries)

    def depth(self, tenant: str) -> int:
        """How many entries of a tenant wait here."""
        return self._tenants[tenant]

    def waiting(self, work_class: int) -> int:
        """How many entries of a class wait here."""
        return self._waiting[work_class]

    def add(self, tenant: str, key: str, work_class: int, entry: E) -> None:
        self._entries.setdefault((tenant, key), deque()).append((work_class, entry))
        self._tenants[tenant] += 1
        self._waiting[work_class] += 1

    def pop_class(self, tenant: str, key: str) -> tuple[int, list[E]]:
        """Take the first entries of a key that are of one class."""
        behind = self._entries[tenant, key]
        work_class = behind[0][0]
        first: list[E] = []
        while behind and behind[0][0] == work_class:
            first.append(behind.popleft()[1])
        if not behind:
            del self._entries[tenant, key]
        self._left(tenant, work_class, len(first))
        return work_class, first

    def entries(self, tenant: str, key: str) -> Iterator[E]:
        return (entry for _, entry in self._entries.get((tenant, key), ()))

    def withdraw(self, matches: Callable[[E], bool]) -> list[E]:
        """Take out every entry that matches; those of one key in their order."""
        gone: list[E] = []
        for (tenant, key), behind in list(self._entries.items()):
            for work_class, entry in behind:
                if matches(entry):
                    gone.append(entry)
                    self._left(tenant, work_class, 1)
            kept = deque(item for item in behind if not matches(item[1]))
            if kept:
                self._entries[tenant, key] = kept
            else:
                del self._entries[tenant, key]
        return gone

    def find(self, tenant: str, matches: Callable[[E], bool]) -> tuple[int, int] | None:
        """How many of its key are here before one that waits, and its class; None if it is not here."""
        for (owner, _), behind in self._entries.items():
            for ahead, (work_class, entry) in enumerate(behind):
                if owner == tenant and matches(entry):
                    return ahead, work_class
        return None

    def _left(self, tenant: str, work_class: int, count: int) -> None:
        self._tenants[tenant] -= count
        if not self._tenants[tenant]:
            del self._tenants[tenant]
        self._waiting[work_class] -= count
