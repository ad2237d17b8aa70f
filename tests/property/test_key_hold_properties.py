"""Held keys of the fair share: order per key is kept whatever is held, resumed, withdrawn, and nothing is lost."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.core.fair_share import FairShare, Taken

TENANTS = st.sampled_from(["a", "b"])
KEYS = st.sampled_from(["x", "y", "z"])
Key = tuple[str, str]


class Holding(RuleBasedStateMachine):
    """Entries are numbered; a held entry is pushed again as itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fair: FairShare[int] = FairShare()
        self.number = 0
        self.waiting: dict[Key, list[int]] = {}
        self.out: list[list[Taken[int]]] = []
        self.held: set[Key] = set()

    @rule(tenant=TENANTS, key=KEYS)
    def push(self, tenant: str, key: str) -> None:
        self.number += 1
        self.fair.push(tenant, key, self.number)
        self.waiting.setdefault((tenant, key), []).append(self.number)

    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        chunk = self.fair.take_chunk(limit)
        for taken in chunk:
            assert taken.key is not None
            assert (taken.tenant, taken.key) not in self.held
            assert self.waiting[taken.tenant, taken.key].pop(0) == taken.entry
        if chunk:
            self.out.append(chunk)
        else:
            assert all(key in self.held or self._is_out(key) for key, waiting in self.waiting.items() if waiting)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        chunk = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        failed = data.draw(st.integers(0, len(chunk)))
        if failed < len(chunk):
            self._hold(chunk, chunk[failed])
        for taken in chunk:
            self.fair.complete(taken, data.draw(st.floats(0.0, 1.0)))

    @rule(tenant=TENANTS, key=KEYS)
    def hold_before_it_is_known(self, tenant: str, key: str) -> None:
        if (tenant, key) in self.held or self._is_out((tenant, key)) or self.waiting.get((tenant, key)):
            return
        self.number += 1
        self.fair.hold_key(tenant, key, [self.number])
        self.waiting[tenant, key] = [self.number]
        self.held.add((tenant, key))

    @rule(tenant=TENANTS, key=KEYS, first=st.booleans())
    def resume(self, tenant: str, key: str, *, first: bool) -> None:
        self.fair.resume_key(tenant, key, first=first)
        self.held.discard((tenant, key))

    @rule(tenant=TENANTS)
    def withdraw(self, tenant: str) -> None:
        gone = self.fair.withdraw(
            lambda entry: any(entry in own for (name, _), own in self.waiting.items() if name == tenant)
        )
        assert sorted(gone) == sorted(
            entry for (name, _), own in self.waiting.items() if name == tenant for entry in own
        )
        self.waiting = {key: own for key, own in self.waiting.items() if key[0] != tenant}

    @invariant()
    def is_consistent(self) -> None:
        self.fair.validate()
        assert len(self.fair) == sum(map(len, self.waiting.values()))
        for tenant, key in self.held:
            assert self.fair.holds_key(tenant, key)
            assert list(self.fair.behind_key(tenant, key)) == self.waiting.get((tenant, key), [])

    def _hold(self, chunk: list[Taken[int]], failed: Taken[int]) -> None:
        assert failed.key is not None
        key = (failed.tenant, failed.key)
        again = [taken.entry for taken in chunk[chunk.index(failed) :] if (taken.tenant, taken.key) == key]
        self.fair.hold_key(*key, again)
        self.waiting[key] = again + self.waiting.get(key, [])
        self.held.add(key)

    def _is_out(self, key: Key) -> bool:
        return any((taken.tenant, taken.key) == key for chunk in self.out for taken in chunk)


Holding.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestHolding = Holding.TestCase
