"""The members of the in-memory store, and the shards they own."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from runtime.core.lease import DEFAULT_SHARDS, Lease, shard_of
from runtime.errors import LeaseLostError
from runtime.store.membership import Arrival, Member, MemberProfile, Taken
from runtime.store.records import Entry, Event

LOST = "this process was taken for dead, and others own its shards since; start anew"


class MemoryMembers:
    """Who may write, and what was appended to shards of others."""

    def __init__(self) -> None:
        self.sessions: dict[UUID, object] = {}
        """Members whose session lives, with the store that it is."""
        self.arrivals: list[Arrival] = []
        self._members: dict[UUID, Member] = {}
        self._owners: dict[int, UUID] = {}
        self._unclean: set[int] = set()
        self._epoch = 0

    def join(self, incarnation: UUID, profile: MemberProfile | None, *, known: bool) -> Lease:
        """Add a member, or begin a new epoch of one that is `known`."""
        if known:
            self.renew(incarnation)
        else:
            self._epoch += 1
            fields = ("", None, False, 0.0, (), 0.0, 0, 0.0)
            self._members[incarnation] = Member(incarnation, self._epoch, *fields, ended=False)
        if profile is not None:
            self._change(incarnation, label=profile.label, url=profile.url, passive=profile.passive)
        return self.lease(incarnation)

    def renew(self, incarnation: UUID) -> Lease:
        self._epoch += 1
        self._change(incarnation, epoch=self._epoch)
        return self.lease(incarnation)

    def lease(self, incarnation: UUID) -> Lease:
        member = self._require(incarnation)
        return Lease(incarnation, member.epoch, member.shards)

    def enter(self, lease: Lease | None) -> Lease:
        """Check the fence.

        Raises:
            LeaseLostError: the lease is not that of a member, or there is none.
        """
        if lease is None:
            raise LeaseLostError("this process is no member; call join() before writing")
        if self._require(lease.incarnation).epoch != lease.epoch:
            raise LeaseLostError(LOST)
        return lease

    def take(self, incarnation: UUID, shards: Collection[int]) -> Taken:
        self._require(incarnation)
        taken = frozenset(shard for shard in shards if shard not in self._owners)
        unclean = taken & self._unclean
        self._owners.update(dict.fromkeys(taken, incarnation))
        self._unclean |= taken
        self._count(incarnation)
        return Taken(taken, unclean)

    def give_up(self, incarnation: UUID, shards: Collection[int], unclean: Collection[int]) -> None:
        self._require(incarnation)
        for shard in shards:
            if self._owners.get(shard) == incarnation:
                del self._owners[shard]
                if shard not in unclean:
                    self._unclean.discard(shard)
        self._count(incarnation)

    def remove(self, incarnation: UUID, epoch: int) -> bool:
        member = self._members.get(incarnation)
        if member is None or member.epoch != epoch:
            return False
        self._owners = {shard: owner for shard, owner in self._owners.items() if owner != incarnation}
        del self._members[incarnation]
        return True

    def beat(self, incarnation: UUID, now: float, position: int, utilization: float) -> None:
        if incarnation in self._members:
            self._change(incarnation, seen_at=now, position=position, utilization=utilization)

    def names(self) -> Collection[UUID]:
        return self._members.keys()

    def all(self) -> list[Member]:
        return [
            msgspec.structs.replace(member, ended=member.incarnation not in self.sessions)
            for member in self._members.values()
        ]

    def tell(self, lease: Lease, entries: Collection[Entry], last_seq: int) -> None:
        """Let the owners of other shards know of entries."""
        touched = {(entry.queue, shard_in(entry.event)) for entry in entries}
        foreign = sorted(pair for pair in touched if pair[1] not in lease.shards)
        if foreign:
            self.arrivals.append(Arrival(last_seq, tuple(foreign)))

    def _require(self, incarnation: UUID) -> Member:
        if incarnation not in self._members:
            raise LeaseLostError(LOST)
        return self._members[incarnation]

    def _change(self, incarnation: UUID, **fields: object) -> None:
        self._members[incarnation] = msgspec.structs.replace(self._require(incarnation), **fields)

    def _count(self, incarnation: UUID) -> None:
        own = sorted(shard for shard, owner in self._owners.items() if owner == incarnation)
        self._change(incarnation, shards=tuple(own))


def shard_in(event: Event) -> int:
    return shard_of(event.tenant, event.key, DEFAULT_SHARDS, event.id)
