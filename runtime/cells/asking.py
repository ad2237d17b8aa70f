"""Asks: a request, and the one reply to it.

An ask of an actor that has nothing else to do may be answered on the spot: its handler begins at once, in the turn of
whoever asks. Nothing that can be observed changes. The handler has a task of its own (that of a runner that has
nothing to do, entered by the hooks asyncio documents for tasks of one's own), its own copy of the asker's context, and
no message was there before this one. When it suspends, the runner whose task it has takes it over, and the asker waits
as usual. Every so many answers the asker waits all the same, so that the event loop gets its turn.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Generator
from contextvars import copy_context
from types import CoroutineType, TracebackType, coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from actors.errors import ActorError, NotARequestError
from actors.handler import Method
from actors.message import Request
from runtime.cells.development import refuse_cycle
from runtime.cells.letter import Letter, differs

if TYPE_CHECKING:
    from runtime.cells.cell import Cell
    from runtime.cells.run_queue import Runner

R = TypeVar("R")
ENDED = object()


class Standby:
    """A runner with nothing to do, and a coroutine in which a handler can begin in the runner's place.

    The coroutine serves one handler after another and yields ENDED after each, as an exception at the end of every
    single one would be a third of the whole cost.
    """

    __slots__ = ("adopted", "is_woken", "result", "runner", "send", "serving", "wake")

    def __init__(self, runner: Runner, wake: asyncio.Future[None]) -> None:
        self.runner = runner
        self.adopted: Adopted | None = None
        self.result: Any = None
        self.park(wake)
        self.serve_anew()

    def park(self, wake: asyncio.Future[None]) -> None:
        """The runner waits for `wake`."""
        self.wake = wake
        self.is_woken = wake.done

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
        handler = yield
        while True:
            self.result = yield from handler
            handler = yield ENDED


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
        result, self.standby.result = self.standby.result, None
        return result


def post_request(cell: Cell, request: Request[R]) -> asyncio.Future[R]:
    """Put a request into the mailbox; the future will have the reply. Raises as `tell`, and AskCycleError."""
    queue = cell.queue
    if queue.development is not None:
        refuse_cycle(cell)
    context = copy_context()
    reply: asyncio.Future[R] = queue.new_future()
    letter = Letter(request, reply, context if differs(context, cell.queue.base) else None)
    inbox = cell.inbox
    if inbox is not None:
        inbox.append(letter)
    elif cell.must_wait():
        assert cell.limit is not None
        cell.limit.senders.append((None, letter))
    else:
        cell.accept(letter)
    return reply


def crash_over(cell: Cell, request: object, error: BaseException) -> BaseException:
    """Have the actor crash over a request that it was handling in the asker's turn; returns what the asker is told."""
    if isinstance(error, asyncio.CancelledError):
        error = cancelled_from_within(cell)
    explain(error, cell, request)
    cell.crash(error)
    return error


def require_request(cell: Cell, request: object) -> Method:
    """The coroutine function that answers it, kept from then on. Raises unless the actor takes such requests."""
    if not isinstance(request, Request):
        kind = type(request).__name__
        raise NotARequestError(f"{cell.path}: {kind} is not a Request, so there is no reply to wait for; tell it")
    cell.require_method(request)
    method = cell.kind.requests[type(request)] = _as_coroutine(cell.methods[type(request)])
    return method


def _as_coroutine(method: Method) -> Method:
    """The method, if nothing of it runs when it is called: what runs, runs in the context and task of a handler."""
    if method.__code__.co_flags & inspect.CO_COROUTINE:
        return method

    async def call(instance: Any, request: Any) -> Any:
        result = method(instance, request)
        return await result if type(result) is CoroutineType else result

    return call


def cancelled_from_within(cell: Cell) -> ActorError:
    return ActorError(f"{cell.path}: the handler was cancelled from within")


def explain(error: BaseException, cell: Cell, request: object) -> None:
    """Attach to an error what happened where, as the stack of who asks does not show it."""
    where = f"raised by {cell.path} on {type(request).__name__}:"
    if any(note.startswith(where) for note in getattr(error, "__notes__", ())):
        return  # a handler may raise one object again and again
    stack = "".join(traceback.format_tb(users_part(error.__traceback__)))
    error.add_note(f"{where}\n{stack}".rstrip())


def users_part(stack: TracebackType | None) -> TracebackType | None:
    """The stack from the handler on: how the runtime got there helps nobody."""
    while stack is not None and stack.tb_next is not None and _is_ours(stack):
        stack = stack.tb_next
    return stack


def _is_ours(stack: TracebackType) -> bool:
    return str(stack.tb_frame.f_globals.get("__name__", "")).startswith("runtime.")
