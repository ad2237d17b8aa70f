"""What a bounded mailbox knows beside its messages."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from actors.mailbox import Bounded, Overflow


class MailboxLimit:
    """Capacity and policy, who waits for room, and how many messages were dropped."""

    __slots__ = ("capacity", "dropped", "policy", "senders")

    def __init__(self, bounded: Bounded) -> None:
        self.capacity = bounded.capacity
        self.policy = bounded.policy
        self.senders: deque[tuple[asyncio.Future[None] | None, Any]] = deque()
        """First come, first served. Without a future where the message itself carries one."""
        self.dropped = 0

    @property
    def waits(self) -> bool:
        return self.policy is Overflow.WAIT

    def admit(self, mail: deque[Any]) -> None:
        """Let those who wait put what they have, as far as there is room."""
        senders, capacity = self.senders, self.capacity
        while senders and len(mail) < capacity:
            room, item = senders.popleft()
            if room is None:
                if not item.reply.done():
                    mail.append(item)
            elif not room.done():  # else it was cancelled
                mail.append(item)
                room.set_result(None)

    def close(self, error: BaseException) -> None:
        for room, item in self.senders:
            waiting = item.reply if room is None else room
            if not waiting.done():
                waiting.set_exception(error)
        self.senders.clear()
