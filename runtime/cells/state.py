"""Where an actor is in its life, who looks after it, and what is on record about its restarts."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Literal, Protocol

from actors.actor import Actor
from actors.children import Exit
from actors.errors import ActorError
from runtime.cells.dead_messages import DeadReason
from runtime.cells.environment import Around
from runtime.core.supervision_child import EXITS_KEPT
from runtime.core.supervision_errors import Glimpse, describe_glimpse

if TYPE_CHECKING:
    from runtime.cells.cell import Cell


class CellState(enum.StrEnum):
    """Where an actor is in its life."""

    NEW = "new"
    IDLE = "idle"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"
    STOPPED = "stopped"


class Owner(Around, Protocol):
    """Who looks after a cell, decides what a failure leads to, and knows the actors around it."""

    async def restore(self, cell: Cell, instance: Actor) -> None:
        """Give a new instance of a class with durable state the one that is stored, or say in it what is wrong."""
        ...

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        """It crashed and nothing explains it. It stays failed until `start` or `stop`, which may be called at once."""
        ...

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        """It crashed over a durable event and has a fresh instance already."""
        ...

    def cell_resumed(self, cell: Cell, reason: BaseException) -> None:
        """It failed, and goes on with the state it has, as its decider says."""
        ...

    def quits(self, cell: Cell) -> BaseException | Literal[Command.REST] | None:
        """It wants to stop of its own accord. None lets it; a reason makes that a failure of this life.

        REST: the owner has asked it to rest instead.
        """
        ...

    def cell_stopped(self, cell: Cell) -> None:
        """It has stopped of its own accord."""
        ...

    def dropped(self, cell: Cell, message: object, reason: DeadReason) -> None:
        """A message in memory will never be handled."""
        ...


class Command(enum.Enum):
    """What the control lane carries beside errors to crash over, `ReloadError` and notices to be handled."""

    STOP = enum.auto()
    """Stop, as the owner wants."""
    QUIT = enum.auto()
    """Stop, as the actor itself wants."""
    REST = enum.auto()
    """End this life, as the owner wants, and keep the place for the next one."""
    RESTART = enum.auto()
    """Restart, as the actor itself wants."""


STOP, QUIT, REST, RESTART = Command


class QuitError(ActorError):
    """A permanent child stopped itself, which is a reason to start it again and no crash."""


class ReloadError(ActorError):
    """What an actor holds is ahead of what is stored, which is a reason to begin anew and no crash."""


class Record:
    """What is known of an actor's restarts. Made with the first."""

    __slots__ = ("ends", "failure", "restarts")

    def __init__(self) -> None:
        self.restarts = 0
        self.failure: BaseException | None = None
        """What the next life begins after."""
        self.ends: deque[tuple[float, Glimpse, bool]] = deque(maxlen=EXITS_KEPT)
        """The last ends of its lives: when, why, and whether something explains it."""

    @property
    def last_restart_at(self) -> float | None:
        return self.ends[-1][0] if self.ends else None

    @property
    def last_reason(self) -> str | None:
        return describe_glimpse(self.ends[-1][1]) if self.ends else None

    @property
    def exits(self) -> tuple[Exit, ...]:
        """They, as people see them."""
        return tuple(Exit(at, describe_glimpse(reason), explained) for at, reason, explained in self.ends)
