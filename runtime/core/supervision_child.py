"""What a supervisor remembers of one child."""

from __future__ import annotations

import enum

from actors.children import Exit
from actors.spec import Directive, Restart, Supervision
from runtime.core.supervision_errors import is_normal
from runtime.core.supervision_events import ChildExited

EXITS_KEPT = 20


class ChildState(enum.StrEnum):
    """Where a child is between two lives. A child that is down may be waiting for its restart."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class ChildRecord:
    """One child's state, what is to become of it, and its history. Only the machine writes to it."""

    __slots__ = (
        "doomed",
        "down_tickets",
        "early_exit",
        "exits",
        "failures",
        "held",
        "last_reason",
        "last_restart_at",
        "life",
        "name",
        "position",
        "restart_reason",
        "restarts",
        "started_at",
        "state",
        "supervision",
        "unborn",
        "up_ticket",
        "waits_for",
        "wanted",
    )

    def __init__(self, name: str, supervision: Supervision, position: int) -> None:
        self.name = name
        self.supervision = supervision
        self.position = position
        """Place in the start order: a child starts after those of lower position, and stops before them."""
        self.state = ChildState.DOWN
        self.life = 0
        self.started_at = 0.0
        self.early_exit: ChildExited | None = None
        """An exit reported before the start that it belongs to."""

        self.wanted = False
        """Start it as soon as it is down."""
        self.doomed = False
        """Its present life is to end."""
        self.held = False
        """Taken down by request: nothing but a request brings it back."""
        self.waits_for: str | None = None
        """The child whose restart delay it shares, perhaps its own."""
        self.unborn = True
        """It has not run yet in this life of the supervisor."""
        self.up_ticket: int | None = None
        self.down_tickets: tuple[int, ...] = ()

        self.failures = 0
        """Exits in a row that backoff counts."""
        self.exits: tuple[Exit, ...] = ()
        self.restarts = 0
        self.restart_reason: str | None = None
        """Why the next start will be a restart."""
        self.last_reason: str | None = None
        self.last_restart_at: float | None = None

    @property
    def temporary(self) -> bool:
        return self.supervision.restart is Restart.TEMPORARY

    @property
    def up(self) -> bool:
        return self.state is not ChildState.DOWN

    @property
    def comes_back(self) -> bool:
        """Whether it is started with its siblings: not a temporary one that has run, nor one a person took down."""
        return not self.held and (self.unborn or not self.temporary)

    @property
    def active(self) -> bool:
        """It runs or will run, as far as is known."""
        return (self.up and not self.doomed) or self.wanted or self.waits_for is not None

    def is_restarted_after(self, reason: BaseException | None) -> bool:
        """Whether its restart type brings it back after such an exit."""
        restart = self.supervision.restart
        return restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not is_normal(reason))

    def directive(self, reason: BaseException | None) -> Directive:
        """What its decider says to a failure; a normal exit is for the restart type alone."""
        if reason is None or is_normal(reason):
            return Directive.RESTART
        return self.supervision.decider.decide(reason)

    def record_exit(self, at: float, reason: str, *, explained: bool = False) -> None:
        self.exits = (*self.exits[1 - EXITS_KEPT :], Exit(at, reason, explained))

    def record_restart(self, at: float, reason: str) -> None:
        self.restarts += 1
        self.last_reason = reason
        self.last_restart_at = at

    def count_failure(self, *, quiet: bool) -> int:
        """Failures in a row, this one included; a life that was quiet for long ended the row before it."""
        self.failures = 1 if quiet else self.failures + 1
        return self.failures

    def take_over(self, earlier: ChildRecord) -> None:
        """Continue the history of the same child in the supervisor's life before."""
        self.exits = earlier.exits
        self.restarts = earlier.restarts
        self.last_reason = earlier.last_reason
        self.last_restart_at = earlier.last_restart_at
