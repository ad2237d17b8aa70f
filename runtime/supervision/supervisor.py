"""The shell around the supervisor's machine: starts, stops and restarts children in one asyncio task.

    on_exit, timers, requests --> SupervisorMachine.handle --> one operation at a time --> the supervisor's task
                                        ^                                                        |
                                        +---------- started, failed, stopped --------------------+

Events are handled at once, where they arise; only starting and stopping children takes place in the task. So a
request to stop is heard while a child's start hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from actors.children import ChildCounts, ChildInfo
from actors.errors import SpecError
from actors.spec import AutoShutdown, Intensity, Strategy
from runtime.clock import Clock
from runtime.core.supervision import SupervisorMachine
from runtime.core.supervision_child import ChildState
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
    Escalate,
    Event,
    Forget,
    Instruction,
    RestartDue,
    RestartRequested,
    ScheduleRestart,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase
from runtime.errors import ConflictError
from runtime.supervision.child import Child, ChildSpec, KeepsPlace, OnExit
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.log import log_end, log_event
from runtime.supervision.node import MAX_CHILDREN_SHOWN, child_state, with_children
from runtime.supervision.operations import Operations, raise_interrupt
from runtime.supervision.requests import Requests, result
from runtime.supervision.task import TaskChild
from runtime.tasks import new_task
from runtime.tree import Kind, TreeNode

__all__ = ["Child", "ChildSpec", "OnExit", "Supervisor", "TaskChild"]


class Supervisor:
    """Looks after children, and is a child itself.

    Children that were added stay for its next life, children that were deleted do not come back. All methods belong
    to the event loop's thread.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec] = (),
        *,
        clock: Clock,
        random: Random,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = Intensity(),  # noqa: B008  # frozen
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        kind: Kind = "supervisor",
    ) -> None:
        self.name = name
        self._kind: Kind = kind
        self._strategy = strategy
        self.auto_shutdown = auto_shutdown
        self._clock = clock
        self._since = clock.now()
        self._children = {spec.child.name: spec.child for spec in children}
        self._machine = SupervisorMachine(
            name,
            [(spec.child.name, spec.supervision) for spec in children],
            strategy=strategy,
            intensity=intensity,
            random=random,
            auto_shutdown=auto_shutdown,
        )
        self._on_exit: Callable[[BaseException | None], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[BaseException | None] | None = None
        self._work = asyncio.Event()
        self._operation: StartChild | StopChild | None = None
        self._operations = Operations(self._cancelled_from_outside)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._keeping: set[str] = set()
        """Children that keep their place and may be down."""
        self._requests = Requests(self._feed)
        self._failure: BaseException | None = None
        self._stop_asked = False
        self._cancelled = False

    # Its own life

    async def start(self, on_exit: Callable[[BaseException | None], None]) -> None:
        """Start the children in order; if one cannot start, stop those that did and raise its error.

        `on_exit` is called if the supervisor gives up later, with the reason, when its children have been stopped; with
        an `AutomaticShutdownError`, a normal exit, where its significant children have ended.
        """
        if self._task is not None:
            raise ConflictError(f"supervisor {self.name!r} runs already; stop it first")
        self._on_exit = on_exit
        self._failure, self._stop_asked, self._cancelled = None, False, False
        self._since = self._clock.now()
        self._work = asyncio.Event()
        started = self._started = asyncio.get_running_loop().create_future()
        self._feed(StartRequested())
        self._task = new_task(self._run(), name=f"supervisor {self.name}")
        try:
            await asyncio.wait({started})
        except asyncio.CancelledError:
            await self.stop(0.0)
            raise
        if (failure := started.result()) is not None:
            raise failure

    async def stop(self, shutdown_seconds: float) -> None:
        """Stop the children in reverse order, each within its own time and all within `shutdown_seconds`.

        Returns when nothing of it is left. If the caller is cancelled, the children are cancelled too, and waited for
        once more; if the caller is cancelled again, the stop goes on in the background.
        """
        if self._task is not None and self._task is asyncio.current_task():
            raise ConflictError(f"supervisor {self.name!r} cannot be stopped by a child that it starts or stops")
        self._stop_asked = True
        self._feed(StopRequested(self._clock.monotonic() + shutdown_seconds))
        try:
            await self._wait_ended()
        except asyncio.CancelledError:
            self._feed(StopRequested(self._clock.monotonic()))
            await self._wait_ended()
            raise

    async def wait_stopped(self) -> BaseException | None:
        """Wait until it does not run; returns why it gave up or shut down, or None after a stop."""
        while (task := self._task) is not None:
            await asyncio.wait({task})
        return self._failure

    def node(self, *, max_children: int = MAX_CHILDREN_SHOWN) -> TreeNode:
        """The supervisor and its first `max_children` children, each with what is known of its restarts."""
        own = TreeNode(
            name=self.name,
            kind=self._kind,
            state=self._machine.phase.value,
            since=self._since,
            strategy=self._strategy.value,
        )
        now = self._clock.monotonic()
        return with_children(own, self._machine, self._children, now=now, max_children=max_children)

    # Its children

    async def add_child(self, spec: ChildSpec) -> None:
        """Add a child at the end of the start order and start it; if it cannot start, its error is raised.

        Raises `ConflictError` if there is a child of that name, or the supervisor does not run, and `SpecError` if the
        child cannot be here: the supervisor itself or one above it, or a significant one without automatic shutdown. A
        caller that is cancelled leaves the child to be started all the same; so do the other requests.
        """
        self._refuse_ancestor(spec.child)
        answer = self._requests.send(lambda ticket: AddRequested(spec.child.name, spec.supervision, ticket))
        self._children[spec.child.name] = spec.child
        await result(answer)

    def child(self, name: str) -> Child | None:
        """The child of that name, whether it runs or not."""
        return self._children.get(name)

    async def terminate_child(self, name: str) -> None:
        """Stop a child; it stays down until `restart_child`. A temporary child is removed.

        Raises `NotFoundError`, or `ConflictError` if the supervisor does not run.
        """
        await result(self._requests.send(lambda ticket: TerminateRequested(name, ticket)))

    async def restart_child(self, name: str) -> None:
        """Start a child that is down; if it cannot start, its error is raised.

        Raises `NotFoundError`, or `ConflictError` if the child runs or is about to.
        """
        await result(self._requests.send(lambda ticket: RestartRequested(name, ticket)))

    async def delete_child(self, name: str) -> None:
        """Forget a child that is down. Raises `NotFoundError`, or `ConflictError` if it runs or is about to."""
        self._requests.tell(DeleteRequested(name))

    def explained_exit(self, name: str, reason: BaseException) -> None:
        """Record that a child has restarted itself for a reason that a durable event's failure explains.

        Not charged to the intensity. Raises `NotFoundError`.
        """
        self._requests.tell(ChildRestartedItself(name, reason))

    def resumed(self, name: str, reason: BaseException) -> None:
        """Record that a child failed and goes on with the state it has. Raises `NotFoundError`."""
        self._requests.tell(ChildResumed(name, reason))

    def count_children(self) -> ChildCounts:
        records = self._machine.children.values()
        supervisors = sum(isinstance(self._children[child.name], Supervisor | DynamicSupervisor) for child in records)
        return ChildCounts(
            specs=len(records),
            active=sum(child.state is ChildState.RUNNING for child in records),
            supervisors=supervisors,
            workers=len(records) - supervisors,
        )

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children in start order, with the last exits of each."""
        return tuple(
            ChildInfo(child.name, child_state(child), child.supervision, child.restarts, child.exits)
            for child in self._machine.children.values()
        )

    def _refuse_ancestor(self, child: Child) -> None:
        if isinstance(child, Supervisor) and (child is self or child.has_below(self)):
            raise SpecError(f"{self.name}/{child.name}", "a supervisor cannot be below itself; give it another place")

    def has_below(self, supervisor: Supervisor) -> bool:
        """Whether `supervisor` is among its children, or theirs."""
        return any(
            child is supervisor or child.has_below(supervisor)
            for child in self._children.values()
            if isinstance(child, Supervisor)
        )

    # The machine and the task

    def _feed(self, event: Event) -> None:
        for instruction in self._machine.handle(event, now=self._clock.monotonic(), at=self._clock.now()):
            self._carry_out(instruction)
        if isinstance(event, ChildStarted | ChildStartFailed | ChildExited | ChildStopped):
            self._keeping.add(event.name)
        if self._keeping:
            self._retire_those_without_a_next_life()
        log_event(self.name, event, starting=self._started is not None)

    def _carry_out(self, instruction: Instruction) -> None:  # noqa: C901  # one case for each instruction
        match instruction:
            case StartChild() | StopChild():
                self._operation = instruction
                self._work.set()
            case CutShort(seconds=seconds):
                self._operations.cut_short(seconds)
            case ScheduleRestart(name=name, delay_seconds=delay):
                self._cancel_timer(name)
                self._timers[name] = asyncio.get_running_loop().call_later(delay, self._restart_due, name)
            case CancelRestart(name=name):
                self._cancel_timer(name)
            case Answer(ticket=ticket, error=error):
                self._requests.answer(ticket, error)
            case Forget(name=name):
                if isinstance(child := self._children.pop(name), KeepsPlace):
                    child.retire()
            case Started():
                self._tell_started(None)
            case Escalate(reason=reason):
                log_end(reason)
                self._failure = reason
                self._work.set()
            case StartFailed(reason=reason) | ShutDown(reason=reason):
                self._failure = reason
                self._work.set()
            case Stopped():
                self._work.set()

    def _retire_those_without_a_next_life(self) -> None:
        for name in tuple(self._keeping):
            record, child = self._machine.children.get(name), self._children.get(name)
            if record is not None and not record.up and record.active:
                continue  # it waits for its restart
            self._keeping.discard(name)
            if (record is None or not record.up) and isinstance(child, KeepsPlace):
                child.retire()

    async def _run(self) -> None:
        try:
            while (operation := await self._next_operation()) is not None:
                await self._perform(operation)
        finally:
            self._task = None
        self._end()
        if self._cancelled:
            raise asyncio.CancelledError

    async def _next_operation(self) -> StartChild | StopChild | None:
        while self._operation is None and self._machine.phase is not Phase.STOPPED:
            self._work.clear()
            try:
                await self._work.wait()
            except asyncio.CancelledError:
                _uncancel()
                self._cancelled_from_outside()
        operation, self._operation = self._operation, None
        return operation

    async def _perform(self, operation: StartChild | StopChild) -> None:
        child = self._children[operation.name]
        outcome: ChildStarted | ChildStartFailed | ChildStopped
        if isinstance(operation, StartChild):
            outcome = await self._operations.start(operation, child, self._exit_reporter(operation))
        else:
            outcome = await self._operations.stop(operation, child)
        self._feed(outcome)
        raise_interrupt(outcome)

    def _exit_reporter(self, operation: StartChild) -> OnExit:
        def on_exit(reason: BaseException | None, /, *, explained: bool = False) -> None:
            self._feed(ChildExited(operation.name, operation.life, reason, explained))

        return on_exit

    def _restart_due(self, name: str) -> None:
        del self._timers[name]
        self._feed(RestartDue(name))

    def _cancel_timer(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()

    def _cancelled_from_outside(self) -> None:
        self._cancelled = True
        self._feed(StopRequested(self._clock.monotonic()))

    async def _wait_ended(self) -> None:
        while True:
            if self._task is None and self._machine.phase in {Phase.NEW, Phase.STOPPED}:
                return
            if self._task is None:  # KeyboardInterrupt or SystemExit ended it, the children are still there
                self._task = new_task(self._run(), name=f"supervisor {self.name}")
            await asyncio.wait({self._task})

    def _tell_started(self, failure: BaseException | None) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_result(failure)
        self._started = None

    def _end(self) -> None:
        if self._cancelled and self._failure is None:
            self._failure = asyncio.CancelledError(f"supervisor {self.name!r} was cancelled")
        on_exit, self._on_exit = self._on_exit, None
        if self._started is not None:
            stopped = ConflictError(f"supervisor {self.name!r} was stopped while it started")
            self._tell_started(self._failure or stopped)
        elif on_exit is not None and not self._stop_asked:
            on_exit(self._failure)


def _uncancel() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
