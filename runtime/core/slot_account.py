"""Slots that one tenant fills in several services, under one cap."""

from __future__ import annotations

from typing import Protocol

NO_CAP = 1_000_000
"""More slots than there can be. Small enough for Python to count fast."""


class Member(Protocol):
    """A scheduler that fills slots on the account of a tenant."""

    def account_changed(self, tenant: str) -> None:
        """The account of `tenant` is full now, or has room again."""
        ...


class SlotAccount:
    """Counts the slots that are filled, and tells every scheduler of the tenant when the last one is, or one is free.

    `cap` is how many slots the tenant may fill in all. Lowering it stops no entry that runs.
    """

    __slots__ = ("_cap", "_members", "_tenant", "filled")

    def __init__(self, tenant: str, cap: int = NO_CAP) -> None:
        self._tenant = tenant
        self._cap = cap
        self._members: list[Member] = []
        self.filled = 0

    @property
    def cap(self) -> int:
        return self._cap

    def join(self, member: Member, filled: int) -> None:
        """Count a scheduler's slots of this tenant too, of which `filled` are in use."""
        self._members.append(member)
        self.fill(filled)

    def leave(self, member: Member, filled: int) -> None:
        self._members.remove(member)
        self.free(filled)

    def set_cap(self, cap: int) -> None:
        self._cap = cap
        self._tell()

    def has_room(self, slots: int) -> bool:
        return self.filled + slots <= self._cap

    def fill(self, slots: int) -> None:
        self.filled += slots
        if self.filled >= self._cap:
            self._tell()

    def free(self, slots: int) -> None:
        was_full = self.filled >= self._cap
        self.filled -= slots
        if was_full:
            self._tell()

    def _tell(self) -> None:
        for member in self._members:
            member.account_changed(self._tenant)
