"""What the store keeps of the processes that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from runtime.core.lease import Lease
    from runtime.store.port import Store


class MemberProfile(msgspec.Struct, frozen=True, kw_only=True):
    """How a process presents itself. A passive one writes events and takes no shards."""

    label: str = ""
    url: str | None = None
    passive: bool = False


class Member(msgspec.Struct, frozen=True):
    """A process that may write, and what it owns.

    `seen_at` is its own clock's; who watches it looks only whether it changes. `position` is the number up to which it
    knows what others appended, `utilization` how busy its event loop was of late, from 0 to 1. `ended` says that the
    database session behind it is gone.
    """

    incarnation: UUID
    epoch: int
    label: str
    url: str | None
    passive: bool
    joined_at: float
    shards: tuple[int, ...]
    seen_at: float
    position: int
    utilization: float
    ended: bool


class Taken(msgspec.Struct, frozen=True):
    """Shards that became one's own. In `unclean` ones the last owner may have been running something when it ended."""

    shards: frozenset[int]
    unclean: frozenset[int]


class Arrival(msgspec.Struct, frozen=True):
    """A commit of somebody who does not own all of what it touched: (queue, shard) pairs. `seq` is its last number."""

    seq: int
    touched: tuple[tuple[int, int], ...]


async def acquire(store: Store, incarnation: UUID) -> Lease:
    """See `Store.acquire_lease`."""
    lease = await store.join(incarnation)
    owned: set[int] = set()
    for member in await store.members():
        if not (member.ended and await store.remove_member(member.incarnation, member.epoch)):
            owned.update(member.shards)
    taken = await store.take_shards(set(range(lease.count)) - owned)
    return msgspec.structs.replace(lease, shards=tuple(sorted({*lease.shards, *taken.shards})))
