"""What lies in an actor's mailbox beside bare messages and letters, and a picture of the mailbox."""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.context import Context
from actors.current_event import Facts
from actors.message import Message
from runtime.context import Surroundings


class Mail(Protocol):
    """A message whose fate is recorded elsewhere."""

    @property
    def message(self) -> Message: ...

    @property
    def explains_failure(self) -> bool:
        """Whether a failure to handle it is recorded elsewhere, so that it does not count against the actor."""
        ...

    @property
    def event(self) -> Facts:
        """What `current_event` tells of while it is handled."""
        ...

    def open(self, surroundings: Surroundings) -> Context:
        """The context in which the actor handles it; called when handling begins."""
        ...

    def succeed(self, result: object) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def abandon(self, error: BaseException) -> None:
        """The actor stopped before it handled this."""
        ...


class MailboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox at one moment."""

    depth: int
    oldest_sent_at: float | None
    """Monotonic seconds; no message that waits came before."""
    capacity: int | None = None
    """None where it is unbounded."""
    dropped: int = 0
    """Messages that found no room and became dead letters."""
    waiting_senders: int = 0
    """Who waits for room."""
