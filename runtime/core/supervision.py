"""The supervisor as a pure machine: events in, instructions out.

    new -> starting -> running -> stopping -> stopped -> starting ...
              |  a child cannot start, or too many restarts   ^
              +-----------------------------------------------+

    a child:  down -> starting -> running -> stopping -> down
              down while a restart delay runs: it waits

Semantics are those of OTP's supervisor.erl: strategies, restart types, an intensity per supervisor, ordered start
and reverse stop, one child at a time. Where it differs:

- A restart waits for a jittered, exponential delay. Siblings that share its fate are stopped at once and wait too.
- An exit that a durable event explains restarts that child alone, at once, and is not counted.
- A child that a person terminated stays down until a person restarts it, whatever happens to its siblings.
- A start that hangs is cut short where the child is no longer wanted; OTP would wait for it.
- A child that exits while its siblings still start for the first time is restarted there and then.
- The time to stop that the whole supervisor is given limits each child's own.

How it decides: an event only marks what is to become of children (`wanted`, `doomed`, `waits_for`); `_advance` then
takes the one next step, stops before starts. So a request that comes in the middle of a restart is heard, and
overlapping restarts need no cases of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from runtime.core.backoff import delay_seconds
from runtime.core.intensity import add_restart
from runtime.core.supervision_child import ChildRecord, ChildState
from runtime.core.supervision_errors import ChildConflictError, NoSuchChildError, RestartLimitError, describe
from runtime.core.supervision_events import (
    AddRequested,
    Answer,
    CancelRestart,
    ChildExited,
    ChildRestartedItself,
    ChildStarted,
    ChildStartFailed,
    ChildStopped,
    CutShort,
    DeleteRequested,
    Escalate,
    Event,
    Forget,
    Instruction,
    RestartDue,
    RestartRequested,
    ScheduleRestart,
    StartChild,
    Started,
    StartFailed,
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase, SupervisorState


class SupervisorMachine(SupervisorState):
    """Decides for one supervisor. It may be started again after it has ended, and keeps its children's history."""

    _now = 0.0
    _at = 0.0
    _out: list[Instruction]

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

    def _begin_stop(self, failure: BaseException | None) -> None:
        self._start_failed = self._phase is Phase.STARTING
        self._phase, self._failure = Phase.STOPPING, failure
        self._out.extend(CancelRestart(name) for name in self._waits.clear(self.children))
        self._unstarted.clear()
        for child in self.children.values():
            child.wanted = False
            self._refuse(child, f"supervisor {self._name!r} stopped before {child.name!r} ran")
            self._take_down(child)

    def _hurry(self, deadline: float) -> None:
        self._deadline = min(deadline, self._deadline)
        busy = self._busy
        if busy is not None and busy.state is ChildState.STOPPING and self._deadline < self._busy_until:
            self._busy_until = self._deadline
            self._out.append(CutShort(busy.name, max(0.0, self._deadline - self._now)))

    def _finish(self) -> None:
        self._phase = Phase.STOPPED
        if self._failure is None:
            self._out.append(Stopped())
        elif self._start_failed:
            self._out.append(StartFailed(self._failure))
        else:
            self._out.append(Escalate(self._failure))

    # The one next step

    def _advance(self) -> None:
        if self._busy is not None:
            return
        if self._phase is Phase.STARTING and not self._unstarted:
            self._phase = Phase.RUNNING
            self._out.append(Started())
        if (child := self._roster.next_stop()) is not None:
            self._stop(child)
        elif (child := self._roster.next_start()) is not None:
            self._start(child)
        elif self._phase is Phase.STOPPING:
            self._finish()

    def _stop(self, child: ChildRecord) -> None:
        child.state, self._busy = ChildState.STOPPING, child
        seconds = max(0.0, min(child.supervision.shutdown_seconds, self._deadline - self._now))
        self._busy_until = self._now + seconds
        self._out.append(StopChild(child.name, seconds))

    def _start(self, child: ChildRecord) -> None:
        self._lives += 1
        child.state, child.life, child.wanted, self._busy = ChildState.STARTING, self._lives, False, child
        self._out.append(StartChild(child.name, child.life))

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
            self._restart(child, event.reason, quiet=False)

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
        if child.doomed or not child.is_restarted_after(event.reason):
            self._is_down(child)
        elif event.explained:
            child.restart_reason = describe(event.reason)
            self._roster.want(child)
        else:
            ran_seconds = self._now - child.started_at
            self._restart(child, event.reason, quiet=ran_seconds > self._intensity.period_seconds)

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

    def _restart(self, child: ChildRecord, reason: BaseException | None, *, quiet: bool) -> None:
        if add_restart(self._restarts, self._now, self._intensity):
            self._begin_stop(RestartLimitError(self._name, child.name, self._intensity, reason))
            return
        failures = child.count_failure(quiet=quiet)
        due_at = self._now + delay_seconds(child.supervision.backoff, failures, self._random)
        sharing = list(self._roster.sharing_fate(child, self._strategy))
        waiting = [member for member in sharing if _comes_back(member)]
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
                member.wanted = _comes_back(member)
                member.restart_reason = f"restarted with {child.name!r}"
                self._take_down(member)

    # Requests

    def _on_add_requested(self, event: AddRequested) -> None:
        self._require_running()
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

    def _refuse(self, child: ChildRecord, why: str | BaseException) -> None:
        """Tell whoever asked for the child to run that it does not."""
        if child.up_ticket is not None:
            error = ChildConflictError(why) if isinstance(why, str) else why
            self._out.append(Answer(child.up_ticket, error))
            child.up_ticket = None

    # Ends of lives

    def _take_down(self, child: ChildRecord) -> None:
        """End the child's life, if it has one. What follows is read from its marks when it is down."""
        if child.up and not child.doomed:
            self._roster.doom(child)
            if child.state is ChildState.STARTING:
                self._out.append(CutShort(child.name, 0.0))

    def _is_down(self, child: ChildRecord) -> None:
        child.state, child.doomed = ChildState.DOWN, False
        self._out.extend(Answer(ticket, None) for ticket in child.down_tickets)
        child.down_tickets = ()
        if child.wanted:
            self._roster.want(child)
        elif self._phase is Phase.RUNNING and child.waits_for is None and (child.temporary or child.unborn):
            self._remove(child, for_good=False)

    def _remove(self, child: ChildRecord, *, for_good: bool) -> None:
        if self._roster.remove(child, for_good=for_good):
            self._out.append(Forget(child.name))

    _HANDLERS: ClassVar[Mapping[type[Event], Callable[[Any, Any], None]]] = {
        StartRequested: _on_start_requested,
        StopRequested: _on_stop_requested,
        ChildStarted: _on_child_started,
        ChildStartFailed: _on_child_start_failed,
        ChildExited: _on_child_exited,
        ChildRestartedItself: _on_child_restarted_itself,
        ChildStopped: _on_child_stopped,
        RestartDue: _on_restart_due,
        AddRequested: _on_add_requested,
        TerminateRequested: _on_terminate_requested,
        RestartRequested: _on_restart_requested,
        DeleteRequested: _on_delete_requested,
    }


def _comes_back(child: ChildRecord) -> bool:
    """Temporary children that have run end with their siblings; those that a person took down stay there."""
    return not child.held and (child.unborn or not child.temporary)
