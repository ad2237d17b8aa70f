"""What a supervisor's machine knows, and what always holds of it."""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterable, Mapping
from random import Random

from actors.children import Exit
from actors.errors import SpecError
from actors.spec import AutoShutdown, Intensity, Strategy, Supervision
from runtime.core.supervision_child import ChildRecord, ChildState
from runtime.core.supervision_roster import Roster
from runtime.core.supervision_waits import Waits


class Phase(enum.StrEnum):
    """Where a supervisor is in its own life."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class SupervisorState:
    """Read from outside, written only by the machine that derives from it."""

    def __init__(
        self,
        name: str,
        children: Iterable[tuple[str, Supervision]],
        *,
        strategy: Strategy,
        intensity: Intensity,
        random: Random,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    ) -> None:
        self._name = name
        self._strategy = strategy
        self._intensity = intensity
        self._random = random
        self._auto_shutdown = auto_shutdown
        self._roster = Roster(name, children)
        for child in self._roster.children.values():
            self._require_allowed(child.name, child.supervision)
        self._waits = Waits()
        self._restarts: deque[float] = deque()
        self._lives = 0

        self._phase = Phase.NEW
        self._failure: BaseException | None = None
        self._start_failed = False
        self._significant_ended: str | None = None
        """The significant child whose end has not been acted on."""
        self._deadline = math.inf
        self._unstarted: set[str] = set()
        """Children that have not started in this life of the supervisor; empty after its start."""
        self._busy: ChildRecord | None = None
        """The child that is being started or stopped."""
        self._busy_until = math.inf

    def _require_allowed(self, child: str, supervision: Supervision) -> None:
        if supervision.significant and self._auto_shutdown is AutoShutdown.NEVER:
            raise SpecError(
                f"{self._name}/{child}",
                f"significant, but supervisor {self._name!r} never shuts down by itself; give it an auto_shutdown",
            )

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def children(self) -> Mapping[str, ChildRecord]:
        """The children in start order, to be read only."""
        return self._roster.children

    @property
    def departed(self) -> tuple[tuple[str, Exit], ...]:
        """The last exits of children that are no longer in the list, oldest first."""
        return tuple(self._roster.departed)

    def restart_due_at(self, child: ChildRecord) -> float | None:
        """The monotonic time at which a child that waits is started again; None if it does not wait."""
        return None if child.waits_for is None else self._waits.due_at(child.waits_for)

    def validate(self) -> None:
        """Assert what holds between two events."""
        self._roster.validate()
        self._waits.validate(self.children)
        between = {ChildState.STARTING, ChildState.STOPPING}
        busy = [child for child in self.children.values() if child.state in between]
        assert busy == ([] if self._busy is None else [self._busy]), "not exactly one step at a time"
        for child in self.children.values():
            assert not child.doomed or child.up, f"{child.name!r} is down and still to be stopped"
            assert not (child.held and child.wanted), f"{child.name!r} was taken down by request and is wanted"
            assert child.state is not ChildState.STOPPING or child.doomed
            assert child.up or not child.down_tickets, f"{child.name!r} is down and nobody was told"
            if self._busy is None:
                assert not child.doomed, f"{child.name!r} is to be stopped and nobody does"
                assert not child.wanted, f"{child.name!r} is to be started and nobody does"
        self._validate_phase()

    def _validate_phase(self) -> None:
        children = self.children.values()
        if self._phase in {Phase.NEW, Phase.STOPPED}:
            assert self._busy is None
            assert not any(child.up for child in children), "a child outlives its supervisor"
        if self._phase in {Phase.NEW, Phase.RUNNING}:
            assert self._significant_ended is None, "an automatic shutdown was forgotten"
        if self._phase is Phase.STOPPING:
            assert self._busy is not None, "the stop does not go on"
            assert all(child.doomed for child in children if child.up), "a child is spared"
        if self._phase not in {Phase.STARTING, Phase.RUNNING}:
            assert not self._waits, "a restart is pending"
            assert not any(child.wanted for child in children), "a child is to be started"
            assert not any(child.up_ticket is not None for child in children), (
                "somebody waits for a child that will not run"
            )
        else:
            assert len(self._restarts) <= self._intensity.max_restarts, "the intensity is exceeded"
        assert bool(self._unstarted) == (self._phase is Phase.STARTING)
        unstarted = [child for child in children if child.name in self._unstarted]
        if unstarted:
            later = [child for child in children if child.position > unstarted[0].position]
            assert not any(child.state is ChildState.RUNNING for child in later), "the start is out of order"
