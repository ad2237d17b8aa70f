"""Entries of shards that are about to go to another process: set aside, so that they are not started."""

from __future__ import annotations

from collections.abc import Callable

from runtime.store.records import Entry


class SetAside:
    """What waits in shards of which nothing is started any more."""

    __slots__ = ("_entries", "_shard", "shards")

    def __init__(self, shard: Callable[[Entry], int]) -> None:
        self._shard = shard
        self._entries: list[Entry] = []
        self.shards: frozenset[int] = frozenset()

    def concerns(self, entry: Entry) -> bool:
        return self._shard(entry) in self.shards

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def take(self, shards: frozenset[int]) -> list[Entry]:
        """Hold shards no more; returns what waited in them, in log order."""
        self.shards -= shards
        taken = [entry for entry in self._entries if self._shard(entry) in shards]
        self._entries = [entry for entry in self._entries if self._shard(entry) not in shards]
        return sorted(taken, key=lambda entry: entry.seq)

    def clear(self) -> None:
        """Forget the entries, which are read again."""
        self._entries.clear()
