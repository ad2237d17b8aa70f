"""What actors have in common that were spawned alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from actors.actor import Actor
from actors.context import Clock
from actors.mailbox import Bounded
from actors.spec import Supervision
from runtime.cells.state import Owner

if TYPE_CHECKING:
    from runtime.cells.run_queue import RunQueue


class CellKind:
    """What an actor has in common with those that its parent spawned alike: kept once, not in each of them.

    The garbage collector looks at every attribute of every actor, again and again: that is half of what spawning costs.
    """

    __slots__ = (
        "actor",
        "bare",
        "clock",
        "direct",
        "hooks",
        "key",
        "mailbox",
        "methods",
        "owner",
        "prefix",
        "queue",
        "requests",
        "service",
        "supervision",
        "tenant",
    )

    def __init__(
        self,
        prefix: str,
        actor: type[Actor],
        *,
        service: str,
        tenant: str | None,
        key: str | None,
        owner: Owner,
        run_queue: RunQueue,
        clock: Clock,
        supervision: Supervision,
        mailbox: Bounded | None,
    ) -> None:
        self.prefix = prefix
        """Of the path, in front of the name."""
        self.actor = actor
        self.service = service
        self.tenant = tenant
        self.key = key
        self.owner = owner
        self.queue = run_queue
        self.clock = clock
        self.supervision = supervision
        self.mailbox = mailbox
        self.hooks = actor._actor_hooks
        self.bare = not actor._actor_hooks and _is_made_silently(actor)
        """Whether nothing of the user's runs when a life begins, so that its first message is early enough for it."""
        self.methods = actor._actor_methods
        self.requests = actor._actor_requests
        self.direct = mailbox is None and supervision.hang_seconds == math.inf and run_queue.development is None
        """Whether messages can be put into the mailbox and handled without further ado."""


def _is_made_silently(actor: type[Actor]) -> bool:
    """Whether no code of the user's runs when an instance is made, so that it cannot fail either."""
    made = (type(actor), actor.__new__, actor.__init__, actor.__setattr__)
    return made == (type, object.__new__, object.__init__, object.__setattr__)
