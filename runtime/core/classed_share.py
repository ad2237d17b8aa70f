"""Fair share in which entries have classes of work, and each class is guaranteed a part of the slots.

    push -> its class -> the fair share of that class -> a slot that the class may fill (`class_slots`)
         -> its key is at work in another class -> waits for that (`mixed_keys`)

Each class has a fair share of its own, since a full one holds back all its tenants at once and none of what they have
in others. A tenant is charged in all of them for what it is given in one: of two tenants that wait in a class, the one
that is served less in all goes first. `class_clocks` says which class has the turn.

Where no class is full for long, tenants share the slots as in one `FairShare`. Where one is, its tenants share what it
may fill, and the others the rest: that is the weighted max-min share of each under the guarantees. So a tenant that is
given more than others in one class is given nothing in a class in which they wait; when that ends, it has its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from runtime.core.class_clocks import ClassClocks
from runtime.core.class_slots import ClassSlots, ClassStanding
from runtime.core.classed_terms import AT_CAP, ClassedTerms
from runtime.core.fair_share import FairShare
from runtime.core.fair_share_tenant import E, Taken, TenantShare
from runtime.core.mixed_keys import MixedKeys
from runtime.core.work_classes import WORK_CLASSES, Guarantees

E_contra = TypeVar("E_contra", contravariant=True)


class Classifier(Protocol[E_contra]):
    """Tells the class of an entry, by its place in `WORK_CLASSES`."""

    def class_of(self, entry: E_contra) -> int: ...

    def ran(self, entry: E_contra, seconds: float) -> None:
        """An entry has run for so long."""
        ...


class ClassedShare(ClassedTerms[E]):
    """See `runtime.core.fair_share.FairShare` for what each method does."""

    __slots__ = ("_classifier", "_clocks", "_mixed", "_out", "_slots")

    def __init__(self, classifier: Classifier[E], shares: Sequence[FairShare[E]], slots_per_entry: int) -> None:
        """`shares` are empty, one for each class. Until `set_classes` nothing is given out."""
        super().__init__(shares, slots_per_entry)
        self._classifier = classifier
        self._clocks = ClassClocks()
        self._mixed: MixedKeys[E] = MixedKeys()
        self._slots = ClassSlots()
        self._out: dict[Taken[E], int] = {}
        """The class of each entry that is out."""

    def set_classes(self, total: int, guarantees: Guarantees) -> None:
        """Share out so many slots, each for one entry or chunk. What runs goes on."""
        self._slots.set_terms(total, guarantees)

    def push(self, tenant: str, key: str | None, entry: E) -> None:
        work_class = self._classifier.class_of(entry)
        if self._cap(tenant) < self._cost:
            self._look_at_cap(tenant)
        if key is not None and (
            (tenant, key) in self._mixed or self._class_of_key(tenant, key) not in {None, work_class}
        ):
            self._mixed.add(tenant, key, work_class, entry)
        else:
            self._shares[work_class].push(tenant, key, entry)

    def take(self) -> Taken[E] | None:
        work_class = self._choose()
        taken = None if work_class is None else self._shares[work_class].take()
        if work_class is not None and taken is not None:
            self._took(work_class, [taken])
        return taken

    def take_chunk(self, limit: int) -> list[Taken[E]]:
        work_class = self._choose()
        if work_class is None:
            return []
        chunk = self._shares[work_class].take_chunk(limit)
        self._took(work_class, chunk)
        return chunk

    def next_tag(self) -> float | None:
        fitting = (number for number in range(len(WORK_CLASSES)) if self._slots.may_fill(number))
        tags = ((number, self._shares[number].next_tag()) for number in fitting)
        return min((self._clocks.place(number, tag) for number, tag in tags if tag is not None), default=None)

    def complete(self, taken: Taken[E], run_seconds: float) -> None:
        work_class, charge = self.out_as(taken), taken.charge
        share = self._shares[work_class]
        share.complete(taken, run_seconds)
        del self._out[taken]
        self._burden_others(work_class, taken.tenant, run_seconds / share.terms(taken.tenant).weight - charge)
        if taken.slots:
            self._slots.free(work_class)
            self._free(taken.tenant, taken.slots)
        if run_seconds > 0.0:
            self._classifier.ran(taken.entry, run_seconds)
        if taken.key is not None and self._mixed:
            self._go_on(taken.tenant, taken.key)

    def out_as(self, taken: Taken[E]) -> int:
        """The class of an entry that is out. Raises ValueError for one that is not."""
        work_class = self._out.get(taken)
        if work_class is None:
            raise ValueError("the entry is not out")
        return work_class

    def hold_key(self, tenant: str, key: str, first: Sequence[E]) -> None:
        work_class = self._class_of_key(tenant, key)
        if work_class is None:
            work_class = self._classifier.class_of(first[0]) if first else 0
        self._shares[work_class].hold_key(tenant, key, first)

    def resume_key(self, tenant: str, key: str, *, first: bool = False) -> None:
        for share in self._shares:
            share.resume_key(tenant, key, first=first)
        self._go_on(tenant, key)

    def is_free(self, tenant: str, key: str) -> bool:
        return not self.terms(tenant).holds and self._class_of_key(tenant, key) is None

    def holds_key(self, tenant: str, key: str | None) -> bool:
        return any(share.holds_key(tenant, key) for share in self._shares)

    def behind_key(self, tenant: str, key: str) -> Iterator[E]:
        for share in self._shares:
            yield from share.behind_key(tenant, key)
        yield from self._mixed.entries(tenant, key)

    def successor(self) -> ClassedShare[E]:
        for tenant in list(self._at_cap):
            self.release(tenant, AT_CAP)
        shares = [share.successor() for share in self._shares]
        made = ClassedShare(self._classifier, shares, self._cost)
        made._caps, made._default_cap = self._caps, self._default_cap
        made._slots = self._slots.successor()
        return made

    def withdraw(self, matches: Callable[[E], bool]) -> list[E]:
        gone = [entry for share in self._shares for entry in share.withdraw(matches)]
        gone += self._mixed.withdraw(matches)
        for tenant, key in self._mixed.listed():
            self._go_on(tenant, key)
        return gone

    def depth(self, tenant: str) -> int:
        return sum(share.depth(tenant) for share in self._shares) + self._mixed.depth(tenant)

    def find(self, tenant: str, matches: Callable[[E], bool]) -> tuple[int, bool] | None:
        for share in self._shares:
            found = share.find(tenant, matches)
            if found is not None:
                return found
        mixed = self._mixed.find(tenant, matches)
        return None if mixed is None else (mixed[0], True)

    def class_of(self, tenant: str, matches: Callable[[E], bool]) -> ClassStanding | None:
        for number, share in enumerate(self._shares):
            if share.find(tenant, matches) is not None or share.is_back(tenant, matches):
                return self._standing(number)
        mixed = self._mixed.find(tenant, matches)
        return None if mixed is None else self._standing(mixed[1])

    def classes(self) -> list[ClassStanding]:
        return [self._standing(number) for number in range(len(WORK_CLASSES))]

    def is_back(self, tenant: str, matches: Callable[[E], bool]) -> bool:
        return any(share.is_back(tenant, matches) for share in self._shares)

    def put_back(self, tenant: str) -> int | None:
        counts = [count for share in self._shares if (count := share.put_back(tenant)) is not None]
        return sum(counts) if counts else None

    def standing(self, tenant: str) -> TenantShare | None:
        parts = [(number, part) for number, share in enumerate(self._shares) if (part := share.standing(tenant))]
        return self._merged(parts) if parts else None

    def runnable(self) -> Iterator[TenantShare]:
        return iter({one.tenant: one for share in self._shares for one in share.runnable()}.values())

    def heads(self) -> Iterator[E]:
        return (entry for share in self._shares for entry in share.heads())

    def tenants(self) -> Iterator[TenantShare]:
        parts: dict[str, list[tuple[int, TenantShare]]] = {}
        for number, share in enumerate(self._shares):
            for part in share.tenants():
                parts.setdefault(part.tenant, []).append((number, part))
        return map(self._merged, parts.values())

    def __len__(self) -> int:
        return sum(map(len, self._shares)) + len(self._mixed)

    @property
    def running(self) -> int:
        return sum(share.running for share in self._shares)

    @property
    def virtual_time(self) -> float:
        return self._clocks.now

    def _choose(self) -> int | None:
        shares = self._shares
        tags = [share.next_tag() for share in shares]
        return self._clocks.choose(
            tags,
            runs=lambda number: shares[number].running > 0,
            may_fill=self._slots.may_fill,
            debt=lambda number: shares[number].estimate_seconds * self._slots.total,
        )

    def _took(self, work_class: int, chunk: Sequence[Taken[E]]) -> None:
        tenant = chunk[0].tenant
        for taken in chunk:
            self._out[taken] = work_class
        self._slots.fill(work_class)
        self._fill(tenant)
        self._burden_others(work_class, tenant, sum(taken.charge for taken in chunk))

    def _burden_others(self, work_class: int, tenant: str, charge: float) -> None:
        for number, share in enumerate(self._shares):
            if number != work_class:
                share.burden(tenant, charge, charge * self._slots.total)

    def _class_of_key(self, tenant: str, key: str) -> int | None:
        """The class in whose fair share entries of a key wait or are out. They are never in several."""
        return next((number for number, share in enumerate(self._shares) if share.has_key(tenant, key)), None)

    def _go_on(self, tenant: str, key: str) -> None:
        """Let those wait for slots that waited for the last of their key in another class."""
        if (tenant, key) in self._mixed and self._class_of_key(tenant, key) is None:
            work_class, entries = self._mixed.pop_class(tenant, key)
            for entry in entries:
                self._shares[work_class].push(tenant, key, entry)

    def _standing(self, number: int) -> ClassStanding:
        waiting = len(self._shares[number]) + self._mixed.waiting(number)
        return self._slots.standing(number, waiting)

    def _merged(self, parts: Sequence[tuple[int, TenantShare]]) -> TenantShare:
        """A tenant in all classes. Its tag and estimate are those of the class in which it is served next."""
        waiting = [part for part in parts if part[1].waiting] or parts
        tag, first = min(
            ((self._clocks.place(number, part.start_tag), part) for number, part in waiting), key=lambda one: one[0]
        )
        tenant = first.tenant
        return msgspec.structs.replace(
            first,
            waiting=sum(part.waiting for _, part in parts) + self._mixed.depth(tenant),
            running=sum(part.running for _, part in parts),
            slots=self._filled[tenant],
            start_tag=tag,
            lag=self._clocks.now - tag,
            used_seconds=sum(part.used_seconds for _, part in parts),
        )

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other. O(everything), for tests."""
        for share in self._shares:
            share.validate()
        self._slots.validate()
        slots = [sum(part.slots for part in share.tenants()) for share in self._shares]
        assert slots == [filled * self._cost for filled in self._slots.filled]
        assert sum(slots) == self._filled.total()
        assert self._at_cap == {
            tenant for tenant in self._at_cap if self._filled[tenant] + self._cost > self._cap(tenant)
        }
        for tenant, key in self._mixed.listed():
            assert self._class_of_key(tenant, key) is not None, "nothing would ever let it go on"
        for number, share in enumerate(self._shares):
            for each in share.tenants():
                assert (AT_CAP in share.terms(each.tenant).holds) == (each.tenant in self._at_cap), number
