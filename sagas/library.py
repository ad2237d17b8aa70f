"""Where definitions are kept: one durable actor for each saga's name, with every version of it."""

from __future__ import annotations

import hashlib

import msgspec

from actors import Actor
from sagas.definition import Definition, encode
from sagas.messages import Publish, Revert

LIBRARY = "saga-definitions"
"""The service's name."""
SYSTEM = "system"
"""The tenant that definitions belong to."""
LABEL = "definition"
CHECKSUM_CHARACTERS = 16


class Version(msgspec.Struct, frozen=True):
    """One version of a saga. Versions are numbered from 1."""

    number: int
    checksum: str
    published_at: float
    by: str
    definition: Definition


class Turn(msgspec.Struct, frozen=True):
    """Who made which version the current one, and when."""

    at: float
    by: str
    current: int


class Shelf(msgspec.Struct):
    """All versions of one saga. New instances start with the current one; those that run finish on theirs."""

    versions: list[Version] = []
    current: int = 0
    turns: list[Turn] = []

    def version(self, number: int) -> Version | None:
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    def has(self, *, checksum: str) -> bool:
        """Whether a definition has a version."""
        return self.having(checksum) is not None

    def having(self, checksum: str) -> Version | None:
        """The version that a definition has already."""
        return next((version for version in self.versions if version.checksum == checksum), None)


def checksum_of(definition: Definition) -> str:
    """Equal for equal definitions."""
    return hashlib.sha256(encode(definition)).hexdigest()[:CHECKSUM_CHARACTERS]


class Librarian(Actor):
    """Keeps the versions of the saga that is its key."""

    state: Shelf

    def state_label(self) -> str:
        return LABEL

    async def publish(self, publish: Publish) -> int:
        checksum = checksum_of(publish.definition)
        known = self.state.having(checksum)
        if known is not None:
            return known.number
        number = len(self.state.versions) + 1
        now = self.ctx.clock.now()
        self.state.versions.append(Version(number, checksum, now, publish.by, publish.definition))
        self._turn(number, publish.by)
        return number

    async def revert(self, revert: Revert) -> None:
        if self.state.version(revert.version) is not None and self.state.current != revert.version:
            self._turn(revert.version, revert.by)

    def _turn(self, number: int, by: str) -> None:
        self.state.current = number
        self.state.turns.append(Turn(self.ctx.clock.now(), by, number))
