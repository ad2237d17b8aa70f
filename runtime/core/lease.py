"""Shards, and who may write to them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from uuid import UUID
from zlib import crc32

import msgspec

DEFAULT_SHARDS = 64
"""Fixed for the life of a database, as it decides where a key lives: many enough that 16 processes get 4 each, so that
no process has twice another's load for want of a divisor; few enough that a process that owns all of them keeps
64 watermarks and no more. A power of two divides evenly among 2, 4, 8 ... processes."""

NO_EVENT = UUID(int=0)
SEPARATOR = b"\x1f"
RANDOM_BITS = 0xFFFF_FFFF


class Lease(msgspec.Struct, frozen=True):
    """Ownership of `shards`, of `count` in all, by one incarnation.

    Every write carries `epoch`. It changes with whatever takes from the incarnation something that it might write; one
    that the store does not know any more has lost its lease and must not write.
    """

    incarnation: UUID
    epoch: int
    shards: tuple[int, ...]
    count: int = DEFAULT_SHARDS

    @property
    def whole(self) -> bool:
        """Whether every shard is its own."""
        return len(self.shards) == self.count


def shard_of(tenant: str, key: str | None, shards: int, event_id: UUID) -> int:
    """The shard, from 0 to `shards` - 1, of an event: the same in every process, on every machine and version.

    Events of one tenant and key share a shard, so that one owner sees their order. Events without a key have no order
    to keep and spread by the last 32 bits of their id, which are random in a UUIDv7.
    """
    if key is None:
        return (event_id.int & RANDOM_BITS) % shards
    return crc32(key.encode(), crc32(tenant.encode() + SEPARATOR)) % shards


def in_shard(made: UUID, shard: int, shards: int) -> UUID:
    """An id that is `made` but for some of its last 32 bits, so that an event without a key is in that shard."""
    low = made.int & RANDOM_BITS
    wanted = low - low % shards + shard
    if wanted > RANDOM_BITS:
        wanted -= shards
    return UUID(int=made.int - low + wanted)


def has_key(own: AbstractSet[int], shards: int, tenant: str, key: str, *, but: AbstractSet[int]) -> bool:
    """Whether a key is in one of the `own` shards, of `shards` in all, `but` not in one of those."""
    if len(own) == shards and not but:
        return True
    shard = shard_of(tenant, key, shards, NO_EVENT)
    return shard in own and shard not in but
