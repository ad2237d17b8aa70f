"""A picture of the supervision tree at one moment, immutable and ready to be encoded."""

from __future__ import annotations

from typing import Literal

import msgspec

from actors.children import Exit

Kind = Literal["supervisor", "service", "actor", "part"]
"""`part` is a piece of the runtime itself: store, journal, dispatcher, HTTP."""


class TreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised part of the process. Times are seconds since the epoch (UTC); None means not applicable."""

    name: str
    kind: Kind
    state: str
    since: float
    """When it entered its present life: its start, or its last restart."""
    strategy: str | None = None
    restarts: int = 0
    last_reason: str | None = None
    """Why it was restarted last, as `ExceptionType: message`, without a stack."""
    last_restart_at: float | None = None
    exits: tuple[Exit, ...] = ()
    """The last ends of its lives, as its supervisor saw them, oldest first."""
    mailbox_depth: int | None = None
    oldest_message_seconds: float | None = None
    handled: int | None = None
    detail: str | None = None
    """What a person should know about the state, in a few words."""
    children: tuple[TreeNode, ...] = ()
    children_total: int = 0
    """How many children there are; `children` may show only the first of them."""
