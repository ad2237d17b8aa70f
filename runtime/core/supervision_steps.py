"""The steps that a supervisor's machine takes: which child is next, what ends a life, what ends its own."""

from __future__ import annotations

from actors.spec import AutoShutdown
from runtime.core.supervision_child import ChildRecord, ChildState
from runtime.core.supervision_errors import AutomaticShutdownError, ChildConflictError, ShutdownError
from runtime.core.supervision_events import (
    Answer,
    CancelRestart,
    CutShort,
    Escalate,
    Forget,
    Instruction,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StopChild,
    Stopped,
)
from runtime.core.supervision_state import Phase, SupervisorState


class SupervisorSteps(SupervisorState):
    """Acts on the marks that the decisions leave on the children."""

    _now = 0.0
    _at = 0.0
    _out: list[Instruction]

    # Its own end

    def _begin_stop(self, failure: BaseException | None) -> None:
        self._start_failed = self._phase is Phase.STARTING
        self._phase, self._failure = Phase.STOPPING, failure
        self._out.extend(CancelRestart(name) for name in self._waits.clear(self.children))
        self._unstarted.clear()
        for child in self.children.values():
            child.wanted = False
            self._refuse(child, f"supervisor {self._name!r} stopped before {child.name!r} ran")
            self._take_down(child)

    def _finish(self) -> None:
        self._phase = Phase.STOPPED
        if self._failure is None:
            self._out.append(Stopped())
        elif self._start_failed:
            self._out.append(StartFailed(self._failure))
        elif isinstance(self._failure, ShutdownError):
            self._out.append(ShutDown(self._failure))
        else:
            self._out.append(Escalate(self._failure))

    def _shut_down_if_due(self) -> None:
        """Act on the end of a significant child, once every child has started."""
        if self._significant_ended is None or self._phase is not Phase.RUNNING:
            return
        name, self._significant_ended = self._significant_ended, None
        children = self.children.values()
        if self._auto_shutdown is AutoShutdown.ANY_SIGNIFICANT or not any(
            child.supervision.significant and child.active for child in children
        ):
            self._begin_stop(AutomaticShutdownError(self._name, name))

    # The one next step

    def _advance(self) -> None:
        if self._busy is not None:
            return
        if self._phase is Phase.STARTING and not self._unstarted:
            self._phase = Phase.RUNNING
            self._out.append(Started())
            self._shut_down_if_due()
        if (child := self._roster.next_stop()) is not None:
            self._stop(child)
        elif (child := self._roster.next_start()) is not None:
            self._start(child)
        elif self._phase is Phase.STOPPING:
            self._finish()

    def _stop(self, child: ChildRecord) -> None:
        child.state, self._busy = ChildState.STOPPING, child
        seconds = max(0.0, min(child.supervision.stop_seconds, self._deadline - self._now))
        self._busy_until = self._now + seconds
        self._out.append(StopChild(child.name, seconds))

    def _start(self, child: ChildRecord) -> None:
        self._lives += 1
        child.state, child.life, child.wanted, self._busy = ChildState.STARTING, self._lives, False, child
        self._out.append(StartChild(child.name, child.life, child.supervision.start_seconds))

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

    def _has_ended(self, child: ChildRecord) -> None:
        """It ended of itself, for good."""
        self._is_down(child)
        if child.supervision.significant:
            self._significant_ended = child.name
            self._shut_down_if_due()

    def _remove(self, child: ChildRecord, *, for_good: bool) -> None:
        if self._roster.remove(child, for_good=for_good):
            self._out.append(Forget(child.name))

    def _refuse(self, child: ChildRecord, why: str | BaseException) -> None:
        """Tell whoever asked for the child to run that it does not."""
        if child.up_ticket is not None:
            error = ChildConflictError(why) if isinstance(why, str) else why
            self._out.append(Answer(child.up_ticket, error))
            child.up_ticket = None
