"""A dynamic supervisor as a pure machine: OTP's simple_one_for_one.

    a child:  starting -> running -> stopping -> gone
                 ^           |
                 +- waiting <+   its restart delay

Children are started at run time, all alike, and live and die alone. Each event costs O(1), whatever the number of
children; only the end of the supervisor looks at all of them, and stops them all at once, in no order. Starts and
stops of different children take place side by side; OTP's supervisor starts one at a time, and one that hangs holds
up all. A child that has ended and is not to be restarted is forgotten, so there is nothing to restart or delete by
request, and significant children are refused, as OTP does since version 27.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, ClassVar

from actors.children import Exit
from actors.errors import SpecError, StartIgnoredError
from actors.spec import Directive, Intensity, Supervision
from runtime.core.backoff import delay_seconds
from runtime.core.intensity import add_restart
from runtime.core.supervision_child import EXITS_KEPT, ChildRecord, ChildState
from runtime.core.supervision_errors import (
    ChildConflictError,
    EscalatedError,
    NoSuchChildError,
    RestartLimitError,
    describe,
)
from runtime.core.supervision_events import (
    AddRequested,
    Answer,
    CancelRestart,
    ChildExited,
    ChildRestartedItself,
    ChildResumed,
    ChildStarted,
    ChildStartFailed,
    ChildStopped,
    CutShort,
    Escalate,
    Event,
    Forget,
    Instruction,
    RestartDue,
    ScheduleRestart,
    StartChild,
    Started,
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase


class DynamicMachine:
    """Decides for one dynamic supervisor, whose children are all looked after in the same way."""

    def __init__(self, name: str, supervision: Supervision, *, intensity: Intensity, random: Random) -> None:
        if supervision.significant:
            raise SpecError(name, "children of a dynamic supervisor cannot be significant; use a plain supervisor")
        self._name = name
        self._supervision = supervision
        self._intensity = intensity
        self._random = random
        self._phase = Phase.NEW
        self._failure: BaseException | None = None
        self._deadline = math.inf
        self._children: dict[str, ChildRecord] = {}
        self._due: dict[str, float] = {}
        self._restarts: deque[float] = deque()
        self._departed: deque[tuple[str, Exit]] = deque(maxlen=EXITS_KEPT)
        self._lives = 0
        self._running = 0
        self._now = 0.0
        self._at = 0.0
        self._out: list[Instruction] = []

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def children(self) -> Mapping[str, ChildRecord]:
        """The children in the order of their first start, to be read only."""
        return self._children

    @property
    def running(self) -> int:
        """How many children run."""
        return self._running

    @property
    def departed(self) -> tuple[tuple[str, Exit], ...]:
        """The last exits of children that are gone, oldest first."""
        return tuple(self._departed)

    def restart_due_at(self, child: ChildRecord) -> float | None:
        """The monotonic time at which a child that waits is started again; None if it does not wait."""
        return self._due.get(child.name)

    def handle(self, event: Event, *, now: float, at: float) -> list[Instruction]:
        """As `SupervisorMachine.handle`, but for operations on different children, which take place side by side."""
        self._now, self._at, self._out = now, at, []
        self._HANDLERS[type(event)](self, event)
        return self._out

    # Its own life

    def _on_start_requested(self, _: StartRequested) -> None:
        if self._phase not in {Phase.NEW, Phase.STOPPED}:
            raise ChildConflictError(f"supervisor {self._name!r} is {self._phase}; stop it before starting it again")
        self._phase, self._failure, self._deadline = Phase.RUNNING, None, math.inf
        self._restarts.clear()
        self._out.append(Started())

    def _on_stop_requested(self, event: StopRequested) -> None:
        if self._phase in {Phase.NEW, Phase.STOPPED}:
            self._out.append(Stopped())
            return
        earlier, self._deadline = self._deadline, min(event.deadline, self._deadline)
        if self._phase is Phase.RUNNING:
            self._begin_stop(None)
        elif self._deadline < earlier:
            self._hurry()

    def _hurry(self) -> None:
        seconds = max(0.0, self._deadline - self._now)
        self._out.extend(
            CutShort(child.name, seconds) for child in self._children.values() if child.state is ChildState.STOPPING
        )

    def _begin_stop(self, failure: BaseException | None) -> None:
        self._phase, self._failure = Phase.STOPPING, failure
        for child in list(self._children.values()):
            self._take_down(child)
        self._finish_if_empty()

    def _finish_if_empty(self) -> None:
        if self._phase is Phase.STOPPING and not self._children:
            self._phase = Phase.STOPPED
            self._out.append(Stopped() if self._failure is None else Escalate(self._failure))

    # Reports about children

    def _on_child_started(self, event: ChildStarted) -> None:
        child = self._answered(event.name, ChildState.STARTING)
        if child.doomed:
            self._stop(child)
            return
        child.state, child.started_at, child.unborn = ChildState.RUNNING, self._now, False
        self._running += 1
        if child.restart_reason is not None:
            child.record_restart(self._at, child.restart_reason)
            child.restart_reason = None
        self._answer_start(child, None)
        if (exited := child.early_exit) is not None:
            child.early_exit = None
            self._on_child_exited(exited)

    def _on_child_start_failed(self, event: ChildStartFailed) -> None:
        child = self._answered(event.name, ChildState.STARTING)
        ignored = isinstance(event.reason, StartIgnoredError)
        if event.reason is not None and not ignored:
            child.record_exit(self._at, f"could not start: {describe(event.reason)}")
        if child.doomed or event.reason is None or ignored or child.unborn:
            stopped = ChildConflictError(f"{child.name!r} was stopped before it ran")
            self._answer_start(child, None if ignored else event.reason or stopped)
            self._gone(child)
        else:
            child.state, child.early_exit = ChildState.DOWN, None
            self._recover(child, event.reason, comes_back=True, quiet=False)

    def _on_child_exited(self, event: ChildExited) -> None:
        child = self._children.get(event.name)
        if child is None or child.life != event.life or not child.up:
            return  # a late report of a life that is over
        if child.state is ChildState.STARTING:
            child.early_exit = child.early_exit or event
            return
        child.record_exit(self._at, describe(event.reason), explained=event.explained)
        if child.state is ChildState.STOPPING:
            return  # the answer to StopChild is still to come
        child.state = ChildState.DOWN
        self._running -= 1
        comes_back = child.is_restarted_after(event.reason)
        if event.explained and comes_back:
            child.restart_reason = describe(event.reason)
            self._start(child)
        elif event.explained:
            self._gone(child)
        else:
            quiet = self._now - child.started_at > self._intensity.period_seconds
            self._recover(child, event.reason, comes_back=comes_back, quiet=quiet)

    def _on_child_restarted_itself(self, event: ChildRestartedItself) -> None:
        child, reason = self._find(event.name), describe(event.reason)
        child.record_exit(self._at, reason, explained=True)
        child.record_restart(self._at, reason)

    def _on_child_resumed(self, event: ChildResumed) -> None:
        self._find(event.name).record_exit(self._at, f"resumed after {describe(event.reason)}")

    def _on_child_stopped(self, event: ChildStopped) -> None:
        child = self._answered(event.name, ChildState.STOPPING)
        if event.problem is not None:
            child.record_exit(self._at, f"while stopping: {describe(event.problem)}")
        self._gone(child)

    def _answered(self, name: str, state: ChildState) -> ChildRecord:
        child = self._children[name]
        assert child.state is state, f"{name!r} is {child.state}, not {state}"
        return child

    # Restarts

    def _recover(self, child: ChildRecord, reason: BaseException | None, *, comes_back: bool, quiet: bool) -> None:
        directive = child.directive(reason)
        if directive is Directive.ESCALATE and reason is not None:
            self._begin_stop(EscalatedError(self._name, child.name, reason))
        elif directive is Directive.STOP or not comes_back:
            self._gone(child)
        elif add_restart(self._restarts, self._now, self._intensity):
            self._begin_stop(RestartLimitError(self._name, child.name, self._intensity, reason))
        else:
            delay = delay_seconds(self._supervision.backoff, child.count_failure(quiet=quiet), self._random)
            child.restart_reason = describe(reason)
            child.waits_for = child.name
            self._due[child.name] = self._now + delay
            self._out.append(ScheduleRestart(child.name, delay))

    def _on_restart_due(self, event: RestartDue) -> None:
        if self._due.pop(event.name, None) is not None:
            self._start(self._children[event.name])

    # Requests

    def _on_add_requested(self, event: AddRequested) -> None:
        self._require_running()
        if event.name in self._children:
            raise ChildConflictError(f"supervisor {self._name!r} already has a child {event.name!r}; name it otherwise")
        child = self._children[event.name] = ChildRecord(event.name, self._supervision, 0)
        child.up_ticket = event.ticket
        self._start(child)

    def _on_terminate_requested(self, event: TerminateRequested) -> None:
        self._require_running()
        child = self._find(event.name)
        child.down_tickets = (*child.down_tickets, event.ticket)
        self._take_down(child)

    def _require_running(self) -> None:
        if self._phase is not Phase.RUNNING:
            raise ChildConflictError(f"supervisor {self._name!r} is {self._phase}; wait until it runs")

    def _find(self, name: str) -> ChildRecord:
        if (child := self._children.get(name)) is None:
            raise NoSuchChildError(self._name, name)
        return child

    # Lives

    def _start(self, child: ChildRecord) -> None:
        self._lives += 1
        child.state, child.life, child.waits_for = ChildState.STARTING, self._lives, None
        self._out.append(StartChild(child.name, child.life, self._supervision.start_seconds))

    def _stop(self, child: ChildRecord) -> None:
        child.state = ChildState.STOPPING
        seconds = max(0.0, min(self._supervision.stop_seconds, self._deadline - self._now))
        self._out.append(StopChild(child.name, seconds))

    def _take_down(self, child: ChildRecord) -> None:
        if child.doomed:
            return
        child.doomed = True
        if child.state is ChildState.RUNNING:
            self._running -= 1
            self._stop(child)
        elif child.state is ChildState.STARTING:
            self._out.append(CutShort(child.name, 0.0))
        else:
            if self._due.pop(child.name, None) is not None:
                self._out.append(CancelRestart(child.name))
            self._gone(child)

    def _gone(self, child: ChildRecord) -> None:
        child.state = ChildState.DOWN
        del self._children[child.name]
        self._departed.extend((child.name, ended) for ended in child.exits)
        self._answer_start(child, ChildConflictError(f"{child.name!r} was stopped before it ran"))
        self._out.extend(Answer(ticket, None) for ticket in child.down_tickets)
        self._out.append(Forget(child.name))
        self._finish_if_empty()

    def _answer_start(self, child: ChildRecord, error: BaseException | None) -> None:
        if child.up_ticket is not None:
            self._out.append(Answer(child.up_ticket, error))
            child.up_ticket = None

    def validate(self) -> None:
        """Assert what holds between two events."""
        children = self._children.values()
        assert self._running == sum(child.state is ChildState.RUNNING for child in children)
        assert all(child.doomed for child in children) or self._phase is Phase.RUNNING, "a child is spared"
        assert not children or self._phase in {Phase.RUNNING, Phase.STOPPING}, "a child outlives its supervisor"
        assert children or self._phase is not Phase.STOPPING, "the stop does not end"
        waiting = {child.name for child in children if child.state is ChildState.DOWN}
        assert waiting == set(self._due), "a child that is down waits for its restart, and no other does"
        for child in children:
            assert (child.waits_for is not None) == (child.name in self._due)
            assert not child.doomed or child.state in {ChildState.STARTING, ChildState.STOPPING}
            assert child.doomed or child.state is not ChildState.STOPPING
            assert child.up_ticket is None or child.unborn, f"{child.name!r} runs and nobody was told"
            assert child.doomed or not child.down_tickets
        assert len(self._restarts) <= self._intensity.max_restarts or self._phase is not Phase.RUNNING

    _HANDLERS: ClassVar[Mapping[type[Event], Callable[[Any, Any], None]]] = {
        StartRequested: _on_start_requested,
        StopRequested: _on_stop_requested,
        ChildStarted: _on_child_started,
        ChildStartFailed: _on_child_start_failed,
        ChildExited: _on_child_exited,
        ChildRestartedItself: _on_child_restarted_itself,
        ChildResumed: _on_child_resumed,
        ChildStopped: _on_child_stopped,
        RestartDue: _on_restart_due,
        AddRequested: _on_add_requested,
        TerminateRequested: _on_terminate_requested,
    }
