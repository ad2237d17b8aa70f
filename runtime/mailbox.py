"""A mailbox: what waits for one actor, first in, first out."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec

from actors.context import Context
from actors.message import Message
from runtime.context import Surroundings


class Mail(Protocol):
    """One message on its way to an actor, and what becomes of it."""

    @property
    def message(self) -> Message: ...

    @property
    def sent_at(self) -> float:
        """Monotonic seconds."""
        ...

    @property
    def explains_failure(self) -> bool:
        """Whether a failure to handle it is recorded elsewhere, so that it does not count against the actor."""
        ...

    def open(self, surroundings: Surroundings) -> Context:
        """The context in which the actor handles it; called when handling begins."""
        ...

    def succeed(self, result: object) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def abandon(self, error: BaseException) -> None:
        """The actor stopped before it handled this."""
        ...


class MailboxStatistics(msgspec.Struct, frozen=True):
    """A mailbox at one moment."""

    depth: int
    oldest_sent_at: float | None


class Mailbox:
    """Unbounded, and unaware of who reads it."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Mail] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, mail: Mail) -> None:
        self._waiting.append(mail)

    def take(self) -> Mail:
        """The oldest. Raises IndexError when empty."""
        return self._waiting.popleft()

    def statistics(self) -> MailboxStatistics:
        waiting = self._waiting
        return MailboxStatistics(len(waiting), waiting[0].sent_at if waiting else None)
