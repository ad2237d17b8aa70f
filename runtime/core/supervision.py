"""The supervisor as a pure machine: events in, instructions out.

    new -> starting -> running -> stopping -> stopped -> starting ...
              |  a child cannot start, or too many restarts   ^
              +-----------------------------------------------+

    a child:  down -> starting -> running -> stopping -> down
              down while a restart delay runs: it waits

Semantics are those of OTP's supervisor.erl: strategies, restart types, an intensity per supervisor, ordered start
and reverse stop one child at a time, significant children with automatic shutdown, starts that are ignored. Where it
differs, on purpose:

- A restart waits for a jittered, exponential delay. Siblings that share its fate are stopped at once and wait too.
- An exit that a durable event explains restarts that child alone, at once, and is not counted.
- A decider may send a failure up or end the child, where OTP knows the restart type alone.
- A child that a person terminated stays down until a person restarts it, whatever happens to its siblings; OTP
  starts it again with them.
- A start may have a limit, and is cut short where the child is no longer wanted; OTP waits for it.
- A child that exits while its siblings still start for the first time is restarted there and then; OTP hears of it
  when all have started. The end of a significant child waits until then here too.
- The time to stop that the whole supervisor is given limits each child's own.
- A supervisor that gave up has failed: above it, a transient one is restarted. OTP's ends with `shutdown`, which a
  transient child's supervisor takes for a normal end, and the subtree would be gone without a word.
- A significant child under a supervisor that never shuts down is refused when the supervisor is made.

How it decides: an event only marks what is to become of children (`wanted`, `doomed`, `waits_for`); `_advance` then
takes the one next step, stops before starts. So a request that comes in the middle of a restart is heard, and
overlapping restarts need no cases of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from actors.errors import StartIgnoredError
from actors.spec import Directive
from runtime.core.backoff import delay_seconds
from runtime.core.intensity import add_restart
from runtime.core.supervision_child import ChildRecord, ChildState
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
    DeleteRequested,
    Event,
    Forget,
    Instruction,
    RestartDue,
    RestartRequested,
    ScheduleRestart,
    StartRequested,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase
from runtime.core.supervision_steps import SupervisorSteps


class SupervisorMachine(SupervisorSteps):
    """Decides for one supervisor. It may be started again after it has ended, and keeps its children's history."""

    def handle(self, event: Event, *, now: float, at: float) -> list[Instruction]:
        """The instructions that follow from `event`, to be carried out in order.

        `now` is monotonic; `at` is seconds since the epoch, for records. A request that cannot be met raises
        `NoSuchChildError` or `ChildConflictError` and changes nothing.
        """
        self._now, self._at, self._out = now, at, []
        self._HANDLERS[type(event)](self, event)
        self._advance()
        return self._out

    # The supervisor's own life

    def _on_start_requested(self, _: StartRequested) -> None:
        if self._phase not in {Phase.NEW, Phase.STOPPED}:
            raise ChildConflictError(f"supervisor {self._name!r} is {self._phase}; stop it before starting it again")
        self._failure, self._start_failed, self._deadline = None, False, math.inf
        self._significant_ended = None
        self._restarts.clear()
        self._out.extend(Forget(name) for name in self._roster.begin_life())
        self._unstarted = set(self.children)
        self._phase = Phase.STARTING

    def _on_stop_requested(self, event: StopRequested) -> None:
        if self._phase in {Phase.NEW, Phase.STOPPED}:
            self._out.append(Stopped())
            return
        if self._phase is not Phase.STOPPING:
            self._begin_stop(None)
        self._hurry(event.deadline)

    def _hurry(self, deadline: float) -> None:
        self._deadline = min(deadline, self._deadline)
        busy = self._busy
        if busy is not None and busy.state is ChildState.STOPPING and self._deadline < self._busy_until:
            self._busy_until = self._deadline
            self._out.append(CutShort(busy.name, max(0.0, self._deadline - self._now)))

    # Reports about children

    def _on_child_started(self, event: ChildStarted) -> None:
        child = self._answered(event.name, ChildState.STARTING)
        child.state, child.started_at = ChildState.RUNNING, self._now
        if child.doomed:
            self._roster.doom(child)  # it came too late to count as started
        else:
            self._is_up(child)
        if (exited := child.early_exit) is not None:
            child.early_exit = None
            self._on_child_exited(exited)

    def _is_up(self, child: ChildRecord) -> None:
        child.unborn = False
        self._unstarted.discard(child.name)
        self._roster.keep(child)
        if child.restart_reason is not None:
            child.record_restart(self._at, child.restart_reason)
            child.restart_reason = None
        if child.up_ticket is not None:
            self._out.append(Answer(child.up_ticket, None))
            child.up_ticket = None

    def _on_child_start_failed(self, event: ChildStartFailed) -> None:
        child = self._answered(event.name, ChildState.STARTING)
        assert child.doomed or event.reason is not None, f"the start of {child.name!r} was not to be cut short"
        child.state, child.early_exit = ChildState.DOWN, None
        if isinstance(event.reason, StartIgnoredError) and not child.doomed:
            child.restart_reason = None
            self._is_up(child)
            self._is_down(child)
            return
        if event.reason is not None:
            child.record_exit(self._at, f"could not start: {describe(event.reason)}")
        if child.doomed or event.reason is None:
            self._is_down(child)
        elif child.up_ticket is not None:
            self._refuse(child, event.reason)
            self._is_down(child)
        elif child.name in self._unstarted:
            self._begin_stop(event.reason)
        else:
            self._recover(child, event.reason, comes_back=True, quiet=False)

    def _on_child_stopped(self, event: ChildStopped) -> None:
        child = self._answered(event.name, ChildState.STOPPING)
        if event.problem is not None:
            child.record_exit(self._at, f"while stopping: {describe(event.problem)}")
        self._is_down(child)

    def _on_child_exited(self, event: ChildExited) -> None:
        child = self.children.get(event.name)
        if child is None or child.life != event.life or not child.up:
            return  # a late report of a life that is over
        if child.state is ChildState.STARTING:
            child.early_exit = child.early_exit or event
            return
        child.record_exit(self._at, describe(event.reason), explained=event.explained)
        if child.state is ChildState.STOPPING:
            return  # the answer to StopChild is still to come
        child.state = ChildState.DOWN
        if child.doomed:
            self._is_down(child)
        elif event.explained and child.is_restarted_after(event.reason):
            child.restart_reason = describe(event.reason)
            self._roster.want(child)
        elif event.explained:
            self._has_ended(child)
        else:
            ran_seconds = self._now - child.started_at
            quiet = ran_seconds > self._intensity.period_seconds
            self._recover(child, event.reason, comes_back=child.is_restarted_after(event.reason), quiet=quiet)

    def _on_child_resumed(self, event: ChildResumed) -> None:
        self._find(event.name).record_exit(self._at, f"resumed after {describe(event.reason)}")

    def _on_child_restarted_itself(self, event: ChildRestartedItself) -> None:
        child, reason = self._find(event.name), describe(event.reason)
        child.record_exit(self._at, reason, explained=True)
        child.record_restart(self._at, reason)

    def _answered(self, name: str, state: ChildState) -> ChildRecord:
        child, self._busy, self._busy_until = self._busy, None, math.inf
        assert child is not None, f"nothing was asked of {name!r}"
        assert (child.name, child.state) == (name, state), f"{child.name!r} is {child.state}, {name!r} answered"
        return child

    # Restarts

    def _recover(self, child: ChildRecord, reason: BaseException | None, *, comes_back: bool, quiet: bool) -> None:
        directive = child.directive(reason)
        if directive is Directive.ESCALATE and reason is not None:
            self._begin_stop(EscalatedError(self._name, child.name, reason))
        elif directive is Directive.STOP or not comes_back:
            self._has_ended(child)
        else:
            self._restart(child, reason, quiet=quiet)

    def _restart(self, child: ChildRecord, reason: BaseException | None, *, quiet: bool) -> None:
        if add_restart(self._restarts, self._now, self._intensity):
            self._begin_stop(RestartLimitError(self._name, child.name, self._intensity, reason))
            return
        failures = child.count_failure(quiet=quiet)
        due_at = self._now + delay_seconds(child.supervision.backoff, failures, self._random)
        sharing = list(self._roster.sharing_fate(child, self._strategy))
        waiting = [member for member in sharing if member.comes_back]
        text = describe(reason)
        for member in waiting:
            member.wanted = False
            member.restart_reason = text if member is child else f"restarted with {child.name!r} after {text}"
        abandoned = self._waits.join(child.name, waiting, due_at)
        self._out.extend(CancelRestart(name) for name in abandoned)
        self._out.append(ScheduleRestart(child.name, self._waits.due_at(child.name) - self._now))
        for member in sharing:
            self._take_down(member)

    def _on_restart_due(self, event: RestartDue) -> None:
        members = self._waits.end(event.name, self.children)
        for member in members:
            self._roster.want(member)
        child = self.children.get(event.name)
        if child in members:
            self._take_down_latecomers(child)

    def _take_down_latecomers(self, child: ChildRecord) -> None:
        """What was added or restarted by request during the delay shares the child's fate as well."""
        for member in self._roster.sharing_fate(child, self._strategy):
            if member.up and not member.doomed:
                member.wanted = member.comes_back
                member.restart_reason = f"restarted with {child.name!r}"
                self._take_down(member)

    # Requests

    def _on_add_requested(self, event: AddRequested) -> None:
        self._require_running()
        self._require_allowed(event.name, event.supervision)
        if event.name in self.children:
            raise ChildConflictError(f"supervisor {self._name!r} already has a child {event.name!r}; delete it first")
        child = self._roster.replace(event.name, event.supervision)
        child.up_ticket = event.ticket
        self._roster.want(child)

    def _on_terminate_requested(self, event: TerminateRequested) -> None:
        self._require_running()
        child = self._find(event.name)
        self._refuse(child, f"{child.name!r} was terminated before it ran")
        child.down_tickets = (*child.down_tickets, event.ticket)
        child.held, child.wanted = True, False
        self._out.extend(CancelRestart(name) for name in self._waits.leave(child))
        if child.up:
            self._take_down(child)
        else:
            self._is_down(child)

    def _on_restart_requested(self, event: RestartRequested) -> None:
        self._require_running()
        child = self._find_idle(event.name)
        child.held, child.up_ticket, child.restart_reason = False, event.ticket, None
        self._roster.want(child)

    def _on_delete_requested(self, event: DeleteRequested) -> None:
        self._require_running()
        self._remove(self._find_idle(event.name), for_good=True)

    def _require_running(self) -> None:
        if self._phase is not Phase.RUNNING:
            raise ChildConflictError(f"supervisor {self._name!r} is {self._phase}; wait until it runs")

    def _find(self, name: str) -> ChildRecord:
        if (child := self.children.get(name)) is None:
            raise NoSuchChildError(self._name, name)
        return child

    def _find_idle(self, name: str) -> ChildRecord:
        child = self._find(name)
        if child.up:
            raise ChildConflictError(f"{name!r} is {child.state}; terminate it first")
        if child.wanted or child.waits_for is not None:
            raise ChildConflictError(f"{name!r} is about to be started; terminate it first or wait")
        return child

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
        RestartRequested: _on_restart_requested,
        DeleteRequested: _on_delete_requested,
    }
