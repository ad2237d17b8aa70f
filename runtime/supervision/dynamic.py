"""The shell around the dynamic supervisor's machine: children of one kind, started while it runs.

It owns no task while nothing happens. A start runs in the task that asked for it; a restart and a stop have a short
task of their own, so that thousands of children stop side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from itertools import islice
from random import Random
from typing import Generic, ParamSpec, TypeVar

from actors.children import ChildCounts, ChildInfo
from actors.spec import Intensity, Supervision
from runtime.clock import Clock
from runtime.core.supervision_dynamic import DynamicMachine
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
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase
from runtime.errors import ConflictError
from runtime.supervision.child import Child, KeepsPlace, OnExit
from runtime.supervision.log import log_end, log_event
from runtime.supervision.node import MAX_CHILDREN_SHOWN, child_node, child_state
from runtime.supervision.operations import Operations, StartHere, raise_interrupt
from runtime.supervision.requests import Requests, result
from runtime.tasks import new_task
from runtime.tree import TreeNode

P = ParamSpec("P")
C = TypeVar("C", bound=Child)


class DynamicSupervisor(Generic[P, C]):
    """Looks after any number of children that `make` makes, and is a child itself. After OTP's simple_one_for_one.

    All children have the same `supervision`; they may not be significant. All methods belong to the event loop's
    thread.
    """

    def __init__(
        self,
        name: str,
        make: Callable[P, C],
        supervision: Supervision = Supervision(),  # noqa: B008  # frozen
        *,
        clock: Clock,
        random: Random,
        intensity: Intensity = Intensity(),  # noqa: B008  # frozen
    ) -> None:
        self.name = name
        self._make = make
        self._supervision = supervision
        self._clock = clock
        self._since = clock.now()
        self._machine = DynamicMachine(name, supervision, intensity=intensity, random=random)
        self._children: dict[str, C] = {}
        self._requests = Requests(self._feed)
        self._cuts: dict[str, Callable[[float], None]] = {}
        self._callers: set[asyncio.Task[object] | None] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._adding: str | None = None
        self._context = copy_context()
        self._on_exit: Callable[[BaseException | None], None] | None = None
        self._ended = asyncio.Event()
        self._ended.set()
        self._failure: BaseException | None = None
        self._cancelled = False

    # Its own life

    async def start(self, on_exit: Callable[[BaseException | None], None]) -> None:
        """Be ready for children.

        `on_exit` is called if the supervisor gives up later, with the reason, when its children have been stopped.
        """
        if self._machine.phase not in {Phase.NEW, Phase.STOPPED}:
            raise ConflictError(f"supervisor {self.name!r} runs already; stop it first")
        self._since = self._clock.now()
        self._on_exit, self._failure, self._context = on_exit, None, copy_context()
        self._cancelled = False
        self._ended.clear()
        self._feed(StartRequested())

    async def stop(self, shutdown_seconds: float) -> None:
        """Stop all children at once, each within its own time and all within `shutdown_seconds`.

        Returns when nothing of it is left. If the caller is cancelled, the children are cancelled too, and waited for
        once more; if the caller is cancelled again, the stop goes on in the background.
        """
        task = asyncio.current_task()
        if task in self._tasks or task in self._callers:
            raise ConflictError(f"supervisor {self.name!r} cannot be stopped by a child that it starts or stops")
        self._on_exit = None
        self._feed(StopRequested(self._clock.monotonic() + shutdown_seconds))
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            self._feed(StopRequested(self._clock.monotonic()))
            await self._ended.wait()
            raise
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def wait_stopped(self) -> BaseException | None:
        """Wait until it does not run; returns why it gave up, or None after a stop."""
        await self._ended.wait()
        return self._failure

    def node(self, *, max_children: int = MAX_CHILDREN_SHOWN) -> TreeNode:
        """The supervisor and its first `max_children` children, each with what is known of its restarts."""
        now, records = self._clock.monotonic(), self._machine.children
        return TreeNode(
            name=self.name,
            kind="supervisor",
            state=self._machine.phase.value,
            since=self._since,
            strategy="simple_one_for_one",
            children=tuple(
                child_node(self._children[record.name].node(), record, self._machine.restart_due_at(record), now)
                for record in islice(records.values(), max_children)
            ),
            children_total=len(records),
        )

    # Its children

    async def start_child(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Make a child of these arguments and start it; if it cannot start, its error is raised and nothing is kept.

        Raises `ConflictError` if there is a child of that name, or the supervisor does not run, and
        `StartTimeoutError` if the start takes longer than the template allows. A caller that is cancelled takes the
        start back.
        """
        child = self._make(*args, **kwargs)
        self._adding = child.name
        try:
            answer = self._requests.send(lambda ticket: AddRequested(child.name, self._supervision, ticket))
        finally:
            self._adding = None
        self._children[child.name] = child
        life = self._machine.children[child.name].life
        await self._start_here(StartChild(child.name, life, self._supervision.start_seconds), child)
        await result(answer)
        return child

    def child(self, name: str) -> C | None:
        """The child of that name, whether it runs or waits for its restart."""
        return self._children.get(name)

    async def terminate_child(self, name: str) -> None:
        """Stop a child and forget it; one that waits for its restart is just forgotten.

        Raises `NotFoundError`, or `ConflictError` if the supervisor does not run.
        """
        await result(self._requests.send(lambda ticket: TerminateRequested(name, ticket)))

    def explained_exit(self, name: str, reason: BaseException) -> None:
        """As `Supervisor.explained_exit`."""
        self._requests.tell(ChildRestartedItself(name, reason))

    def resumed(self, name: str, reason: BaseException) -> None:
        """As `Supervisor.resumed`."""
        self._requests.tell(ChildResumed(name, reason))

    def count_children(self) -> ChildCounts:
        """In O(1); all children count as workers."""
        total = len(self._machine.children)
        return ChildCounts(specs=1, active=self._machine.running, supervisors=0, workers=total)

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children in the order of their first start, with the last exits of each."""
        return tuple(
            ChildInfo(child.name, child_state(child), child.supervision, child.restarts, child.exits)
            for child in self._machine.children.values()
        )

    # The machine and the operations

    def _feed(self, event: Event) -> None:
        for instruction in self._machine.handle(event, now=self._clock.monotonic(), at=self._clock.now()):
            self._carry_out(instruction)
        log_event(self.name, event, starting=False)

    def _carry_out(self, instruction: Instruction) -> None:  # one case for each instruction
        match instruction:
            case StartChild(name=name) if name == self._adding:
                pass  # its caller does it
            case StartChild() | StopChild():
                self._begin(instruction)
            case CutShort(name=name, seconds=seconds):
                self._cuts[name](seconds)
            case ScheduleRestart(name=name, delay_seconds=delay):
                self._timers[name] = asyncio.get_running_loop().call_later(delay, self._restart_due, name)
            case CancelRestart(name=name):
                self._timers.pop(name).cancel()
            case Answer(ticket=ticket, error=error):
                self._requests.answer(ticket, error)
            case Forget(name=name):
                self._forget(name)
            case Escalate(reason=reason):
                log_end(reason)
                self._end(reason)
            case Stopped():
                self._end(None)

    def _forget(self, name: str) -> None:
        if isinstance(child := self._children.pop(name, None), KeepsPlace):
            child.retire()

    async def _start_here(self, operation: StartChild, child: C) -> None:
        """Start a child in the caller's task. A cancellation of that task is the caller's own, and raised again."""
        start = StartHere(operation, child)
        caller = asyncio.current_task()
        self._cuts[operation.name] = start.cut_short
        self._callers.add(caller)
        try:
            await start.run(self._exit_reporter(operation))
        finally:
            self._callers.discard(caller)
            del self._cuts[operation.name]
            self._feed(start.outcome)

    def _begin(self, operation: StartChild | StopChild) -> None:
        operations = Operations(self._cancelled_from_outside)
        self._cuts[operation.name] = operations.cut_short
        work = self._perform(operations, operation, self._children[operation.name])
        task = new_task(work, name=f"{self.name}/{operation.name}", context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, operations: Operations, operation: StartChild | StopChild, child: C) -> None:
        outcome: ChildStarted | ChildStartFailed | ChildStopped
        if isinstance(operation, StartChild):
            outcome = await operations.start(operation, child, self._exit_reporter(operation))
        else:
            outcome = await operations.stop(operation, child)
        del self._cuts[operation.name]
        self._feed(outcome)
        raise_interrupt(outcome)

    def _exit_reporter(self, operation: StartChild) -> OnExit:
        def on_exit(reason: BaseException | None, /, *, explained: bool = False) -> None:
            self._feed(ChildExited(operation.name, operation.life, reason, explained))

        return on_exit

    def _restart_due(self, name: str) -> None:
        del self._timers[name]
        self._feed(RestartDue(name))

    def _cancelled_from_outside(self) -> None:
        self._cancelled = True
        self._feed(StopRequested(self._clock.monotonic()))

    def _end(self, failure: BaseException | None) -> None:
        if self._cancelled and failure is None:
            failure = asyncio.CancelledError(f"supervisor {self.name!r} was cancelled")
        self._failure = failure
        self._ended.set()
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(failure)
