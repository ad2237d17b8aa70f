"""Asks: a request, and the one reply to it.

An ask of an actor that has nothing else to do may be answered on the spot: its handler begins at once, in the turn of
whoever asks. Nothing that can be observed changes. The handler has a task of its own (that of a runner that has
nothing to do, entered by the hooks asyncio documents for tasks of one's own), its own copy of the asker's context, and
no message was there before this one. When it suspends, the runner whose task it has takes it over, and the asker waits
as usual. Every so many answers the asker waits all the same, so that the event loop gets its turn.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Generator
from contextvars import copy_context
from types import CoroutineType, TracebackType, coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from actors.errors import ActorError, NotARequestError
from actors.message import Request
from runtime.cells.current_task import swap_current_task
from runtime.cells.development import refuse_cycle
from runtime.cells.letter import Letter, differs
from runtime.cells.state import CellState

if TYPE_CHECKING:
    from runtime.cells.cell import Cell
    from runtime.cells.run_queue import Runner

R = TypeVar("R")
ENDED = object()
IDLE = CellState.IDLE
BUSY = CellState.BUSY


class Standby:
    """A runner with nothing to do, and a coroutine in which a handler can begin in the runner's place.

    The coroutine serves one handler after another and yields ENDED after each, as an exception at the end of every
    single one would be a third of the whole cost.
    """

    __slots__ = ("adopted", "result", "runner", "send", "serving", "wake")

    def __init__(self, runner: Runner, wake: asyncio.Future[None]) -> None:
        self.runner = runner
        self.wake = wake
        self.adopted: Adopted | None = None
        self.result: Any = None
        self.serve_anew()

    def adopt(self, adopted: Adopted) -> None:
        """Have the runner go on with a handler. It may have been cancelled, by the handler itself to begin with."""
        self.adopted = adopted
        if not self.wake.done():
            self.wake.set_result(None)

    def serve_anew(self) -> None:
        self.serving = self._serve()
        self.send = self.serving.send
        self.send(None)

    @coroutine
    def _serve(self) -> Generator[Any, Any, None]:
        job = yield
        while True:
            method, instance, request = job
            result = method(instance, request)
            self.result = (yield from result) if type(result) is CoroutineType else result  # type: ignore[misc] # may
            job = instance = request = result = None
            job = yield ENDED


class Adopted:
    """A handler that began in its asker's turn and suspended: a runner goes on with it."""

    __slots__ = ("awaited", "cell", "letter", "standby", "thrown")

    def __init__(self, cell: Cell, letter: Letter, standby: Standby, awaited: Any) -> None:
        self.cell = cell
        self.letter = letter
        self.standby = standby
        self.awaited = awaited
        self.thrown: BaseException | None = None

    def throw(self, error: BaseException) -> None:
        """The runner was cancelled before it took over."""
        self.thrown = error
        if isinstance(self.awaited, asyncio.Future):
            self.awaited.cancel()

    @coroutine
    def go_on(self) -> Generator[Any, Any, Any]:
        """Await the rest of the handler."""
        serving, awaited = self.standby.serving, self.awaited
        run = self.letter.context.run if self.letter.context else copy_context().run
        step: Callable[[Any], Any] = serving.send
        argument: Any = None
        if self.thrown is not None:
            awaited = run(serving.throw, self.thrown)
        while awaited is not ENDED:
            try:
                argument, step = (yield awaited), serving.send
            except GeneratorExit:
                serving.close()
                raise
            except BaseException as error:  # noqa: BLE001 # handed on, as `yield from` would
                argument, step = error, serving.throw
            awaited = run(step, argument)
        return self.standby.result


# One function, as each call on this path costs a tenth of an ask.
async def ask(cell: Cell, request: Request[R], timeout_seconds: float) -> R:  # noqa: C901, PLR0912
    """Raises what the handler raised, TimeoutError, NotARequestError, and as `tell`."""
    kind = type(request)
    if kind not in cell.requests:
        require_request(cell, request)
    context, queue = copy_context(), cell.queue
    if queue.development is not None:
        refuse_cycle(cell)
    if cell.state is IDLE and queue.parked and queue.inline_budget > 0:
        queue.inline_budget -= 1
        standby = queue.parked.pop()
        cell.state = BUSY
        asker = swap_current_task(queue.loop, standby.runner)
        try:
            awaited = context.run(standby.send, (cell.methods[kind], cell.instance, request))
        except BaseException as error:  # noqa: BLE001 # the actor crashes over it before it goes on its way
            standby.serve_anew()
            if not standby.wake.done():
                queue.parked.append(standby)
            raise _crash(cell, request, error) from None
        finally:
            swap_current_task(queue.loop, asker)
        if awaited is ENDED:
            if not standby.wake.done():  # else the handler cancelled its task
                queue.parked.append(standby)
            cell.handled += 1
            cell.state = IDLE
            if cell.mail or cell.control:
                cell.wake()
            return standby.result  # type: ignore[no-any-return] # the handler's annotation was checked against R
        reply = queue.new_future()
        cell.adopt(Adopted(cell, Letter(request, reply, context), standby, awaited))
    else:
        reply = queue.new_future()
        letter = Letter(request, reply, context if differs(context, cell.base) else None)
        inbox = cell.inbox
        if inbox is None:
            if cell.must_wait():
                assert cell.limit is not None
                cell.limit.senders.append((None, letter))
            else:
                cell.accept(letter)
        else:
            inbox.append(letter)
    waiting = queue.deadlines.waiting(timeout_seconds)
    waiting.add(reply)
    try:
        return await reply  # type: ignore[no-any-return] # as above
    finally:
        waiting.discard(reply)


def _crash(cell: Cell, request: object, error: BaseException) -> BaseException:
    if isinstance(error, asyncio.CancelledError):
        error = cancelled_from_within(cell)
    explain(error, cell, request)
    cell.crash(error)
    return error


def require_request(cell: Cell, request: object) -> None:
    """Raise unless it is a request that the actor takes."""
    if not isinstance(request, Request):
        kind = type(request).__name__
        raise NotARequestError(f"{cell.path}: {kind} is not a Request, so there is no reply to wait for; tell it")
    cell.require_method(request)
    cell.requests.add(type(request))


def cancelled_from_within(cell: Cell) -> ActorError:
    return ActorError(f"{cell.path}: the handler was cancelled from within")


def explain(error: BaseException, cell: Cell, request: object) -> None:
    """Attach to an error what happened where, as the stack of who asks does not show it."""
    stack = "".join(traceback.format_tb(users_part(error.__traceback__)))
    error.add_note(f"raised by {cell.path} on {type(request).__name__}:\n{stack}".rstrip())


def users_part(stack: TracebackType | None) -> TracebackType | None:
    """The stack from the handler on: how the runtime got there helps nobody."""
    while stack is not None and stack.tb_next is not None and _is_ours(stack):
        stack = stack.tb_next
    return stack


def _is_ours(stack: TracebackType) -> bool:
    return str(stack.tb_frame.f_globals.get("__name__", "")).startswith("runtime.")
