"""Runs actors that have mail, without a task per actor.

One runner task at a time leads: it drains the actors that are ready, one after another. The first time a handler
suspends, its runner stays with it, as any task stays with the coroutine it awaits, and the lead passes to another
runner. So `asyncio.current_task()` inside a handler is a real task, which runs no other handler from this one's first
line to its last; an idle actor owns none, and a handler that never suspends costs none. Once the handler has ended,
its task serves others: nobody may keep it.

Handlers run in copies of the context in which the queue was made. A handler that leaves a context variable changed
costs the next one a fresh copy, and changes nothing for it. A runner that was cancelled and did not notice is not
used again.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from runtime.cells.asking import Adopted, Standby
from runtime.cells.dead_messages import DeadMessages
from runtime.cells.deadlines import Deadlines
from runtime.cells.development import BlockingWatch, context_of_tell
from runtime.cells.state import CellState
from runtime.tasks import new_task

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

BATCH = 64
"""How many messages one actor handles before it goes to the back."""
MESSAGES_PER_TURN = 256
"""How many messages the lead handles before the event loop gets a turn. A durable event counts as several."""
MAX_PARKED = 64
"""How many runner tasks without work are kept."""
MAX_MAILBOXES = 1000
"""How many empty mailboxes are kept."""

Runner = asyncio.Task[None]


class Verdict(enum.Enum):
    """Why a runner stopped serving."""

    NOTHING_LEFT = enum.auto()
    CONTEXT_CHANGED = enum.auto()
    TURN_OVER = enum.auto()
    CANCELLED = enum.auto()


NOTHING_LEFT, CONTEXT_CHANGED, TURN_OVER, CANCELLED = Verdict
IDLE, READY, BUSY = CellState.IDLE, CellState.READY, CellState.BUSY


class RunQueue:
    """The actors that are ready, and the runners that serve them.

    `inline_asks`: an ask of an idle actor is answered in the turn of who asks. `development`: see
    `runtime.cells.development`; None for the loop's debug mode.
    """

    __slots__ = (
        "_inline_limit",
        "_runners",
        "base",
        "closed",
        "dead",
        "deadlines",
        "development",
        "inline_budget",
        "lead",
        "loop",
        "mailboxes",
        "now",
        "parked",
        "ready",
        "spare",
        "spare_mailbox",
    )

    def __init__(self, *, inline_asks: bool = True, development: bool | None = None) -> None:
        self.base = contextvars.copy_context()
        """What the context of a message is compared with: only one that differs has to travel."""
        self.ready: deque[Cell] = deque()
        self.spare: Standby | None = None
        """The runner that serves next. Apart from the others, as a list frees its memory with its last item: with every
        single ask of an idle actor."""
        self.parked: list[Standby] = []
        self.deadlines = Deadlines()
        self.dead = DeadMessages()
        self.spare_mailbox: deque[Any] | None = None
        self.mailboxes: list[deque[Any]] = []
        """Empty ones, for the next actor that gets mail: an idle actor holds none, as an empty deque is larger than all
        the rest of it."""
        self._runners: set[Runner] = set()
        self.now = time.monotonic()
        """When the present turn began."""
        if development is None:
            development = _in_debug_mode()
        self.development = BlockingWatch() if development else None
        if development:
            self.base = context_of_tell()  # equals no sender's, so that every message is put into a letter
        self._inline_limit = MESSAGES_PER_TURN if inline_asks and not development else 0
        self.inline_budget = self._inline_limit
        """How many more asks may be answered in the turn of who asks; renewed whenever a runner gets a turn."""
        self.lead: Runner | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def schedule(self, cell: Cell) -> None:
        """Let it run soon. The caller sees to it that one is never scheduled twice at a time."""
        self.ready.append(cell)
        if self.lead is None:
            self.pass_lead()

    async def close(self) -> None:
        """Cancel every runner and wait until they are gone."""
        self.closed = True
        self.deadlines.close()
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)

    def new_future(self) -> asyncio.Future[Any]:
        """As the running loop makes it; asking for that loop is dear in Python 3.11."""
        loop = self.loop
        if loop is None:
            loop = self.loop = asyncio.get_running_loop()
        return loop.create_future()

    def pass_lead(self) -> None:
        self.now = time.monotonic()
        while standby := self.spare or self.next_spare():
            self.spare = None
            if not standby.wake.done():  # else it was cancelled and is about to end
                self.lead = standby.runner
                standby.wake.set_result(None)
                return
        if not self.closed:
            self.lead = self._new_runner()

    def next_spare(self) -> Standby | None:
        """Have one of the parked ones serve next, if there is any."""
        if self.parked:
            self.spare = self.parked.pop()
        return self.spare

    def put_aside(self, standby: Standby) -> None:
        """Have it wait for work, unless its runner has been woken and is about to end."""
        if standby.wake.done():
            return
        if self.spare is None:
            self.spare = standby
        else:
            self.parked.append(standby)

    def take_mailbox(self) -> deque[Any]:
        return self.mailboxes.pop() if self.mailboxes else deque()

    def keep_mailbox(self, mail: deque[Any]) -> None:
        if self.spare_mailbox is None:
            self.spare_mailbox = mail
        elif len(self.mailboxes) < MAX_MAILBOXES:
            self.mailboxes.append(mail)

    def _new_runner(self) -> Runner:
        self.loop = asyncio.get_running_loop()
        runner = new_task(self._run(), name="postroom-runner", context=self.base.copy())
        self._runners.add(runner)
        runner.add_done_callback(self._ended)
        return runner

    def _ended(self, runner: Runner) -> None:
        self._runners.discard(runner)
        self.parked[:] = [standby for standby in self.parked if standby.runner is not runner]
        if self.spare is not None and self.spare.runner is runner:
            self.spare = None
        if self.lead is runner:
            self.lead = None
            if self.ready and not self.closed:
                self.pass_lead()
        if not runner.cancelled() and (error := runner.exception()) is not None:
            raise error

    async def _run(self) -> None:
        runner = asyncio.current_task()
        assert runner is not None
        await self._drive(runner)

    @types.coroutine
    def _drive(self, runner: Runner) -> Generator[Any, Any, None]:
        """Serve, park, serve. Stands between the task and the handlers, so that it sees the first one suspend."""
        context = self.base.copy()
        adopted: Adopted | None = None
        standby: Standby | None = None
        while True:
            self.inline_budget, self.now = self._inline_limit, time.monotonic()
            verdict = yield from self._lead_until_suspended(runner, context, adopted)
            if adopted is not None and verdict is not CANCELLED:
                adopted.standby.serve_anew()
            adopted = None
            if verdict is TURN_OVER:
                yield
            elif verdict is CONTEXT_CHANGED:
                context = self.base.copy()
            elif verdict is CANCELLED or len(self.parked) >= MAX_PARKED or self.closed:
                return
            else:
                wake = self.new_future()
                if standby is None:
                    standby = Standby(runner, wake)
                else:
                    standby.park(wake)
                self.put_aside(standby)
                try:
                    yield from wake
                except asyncio.CancelledError as error:
                    if standby.adopted is None:
                        raise
                    standby.adopted.throw(error)
                adopted, standby.adopted = standby.adopted, None

    def _lead_until_suspended(
        self, runner: Runner, context: contextvars.Context, adopted: Adopted | None
    ) -> Generator[Any, Any, Verdict]:
        serving = self._serve(runner, context, adopted)
        run = context.run
        step: Callable[[Any], Any] = serving.send
        argument: Any = None
        while True:
            try:
                awaited = run(step, argument)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return] # a generator's value carries no type
            if self.lead is runner:
                self.lead = None
                if self.ready:
                    self.pass_lead()
            try:
                argument = yield awaited
                step = serving.send
            except GeneratorExit:
                run(serving.close)
                raise
            except BaseException as error:  # noqa: BLE001 # handed on, as `yield from` would
                argument, step = error, serving.throw

    # One function, as each call on this path costs a tenth of a message.
    async def _serve(  # noqa: C901, PLR0912
        self, runner: Runner, context: contextvars.Context, adopted: Adopted | None
    ) -> Verdict:
        ready, left, used = self.ready, MESSAGES_PER_TURN, 0
        if adopted is not None:
            used = await self._drained(adopted.cell, runner, context)
        while used >= 0:
            if not ready:
                break
            if self.lead is not runner:
                if self.lead is not None:
                    break
                self.lead = runner
            left -= used
            if left <= 0:
                return TURN_OVER
            cell = ready.popleft()
            inbox = cell.inbox
            if (
                inbox is None
                or len(inbox) != 1
                or cell.control
                or (instance := cell.instance) is None
                or (method := cell.methods.get(type(inbox[0]))) is None
            ):
                item = result = None
                used = await self._drained(cell, runner, context)
                continue
            # A bare message and nothing else: what `drain` does, without a coroutine of its own.
            item = inbox.popleft()
            cell.runner = runner
            cell.state = BUSY
            try:
                result = method(instance, item)
                if type(result) is CoroutineType:
                    await result
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 # whatever a handler raises
                used = await cell.drain(BATCH, runner, context, (item, error))
                continue
            cell.handled += 1
            cell.runner = None
            if cell.state is BUSY:
                mail = cell.mail
                if mail or cell.control:
                    cell.state = READY
                    ready.append(cell)
                else:
                    cell.state = IDLE
                    cell.inbox = cell.mail = None
                    if self.spare_mailbox is None:
                        self.spare_mailbox = mail
                    elif mail is not None:
                        self.keep_mailbox(mail)
            used = -1 if context != self.base or runner.cancelling() else 1
        else:
            return self._step_down(runner) if runner.cancelling() else CONTEXT_CHANGED
        if self.lead is runner:
            self.lead = None
        return NOTHING_LEFT

    def _drained(self, cell: Cell, runner: Runner, context: contextvars.Context) -> Awaitable[int]:
        if self.development is None:
            return cell.drain(BATCH, runner, context)
        return _watched(cell.drain(1, runner, context), cell, self.development)

    def _step_down(self, runner: Runner) -> Verdict:
        if self.lead is runner or self.lead is None:
            self.lead = None
            if self.ready:
                self.pass_lead()
        return CANCELLED


def _in_debug_mode() -> bool:
    try:
        return asyncio.get_running_loop().get_debug()
    except RuntimeError:  # made before the loop runs
        return False


@types.coroutine
def _watched(draining: Coroutine[Any, Any, int], cell: Cell, watch: BlockingWatch) -> Generator[Any, Any, int]:
    """Await a turn of an actor, and time each stretch of it without a pause."""
    step: Callable[[Any], Any] = draining.send
    argument: Any = None
    while True:
        watch.enter(cell)
        try:
            awaited = step(argument)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # a generator's value carries no type
        finally:
            watch.leave()
        try:
            argument, step = (yield awaited), draining.send
        except GeneratorExit:
            draining.close()
            raise
        except BaseException as error:  # noqa: BLE001 # as above
            argument, step = error, draining.throw
