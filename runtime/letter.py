"""Messages in memory, and the references they are sent to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from actors.context import Context
from actors.errors import UnhandledMessageError
from actors.handler import handler_for
from actors.message import Message, Request
from actors.ref import DEFAULT_ASK_SECONDS
from runtime.context import MemoryContext, Surroundings

if TYPE_CHECKING:
    from runtime.cell import Cell

R = TypeVar("R")


class Letter:
    """A message in memory. It may carry the future that waits for the reply."""

    __slots__ = ("_reply", "message", "sent_at")

    explains_failure = False

    def __init__(self, message: Message, sent_at: float, reply: asyncio.Future[Any] | None = None) -> None:
        self.message = message
        self.sent_at = sent_at
        self._reply = reply

    def open(self, surroundings: Surroundings) -> Context:
        return MemoryContext(surroundings)

    def succeed(self, result: object) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(result)

    def fail(self, error: BaseException) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)

    abandon = fail


class Addressee(Protocol):
    """Finds the actor that a reference stands for at this moment."""

    @property
    def path(self) -> str: ...

    def cell(self) -> Cell: ...


class LocalRef:
    """A reference to an actor of this process."""

    __slots__ = ("_addressee",)

    def __init__(self, addressee: Addressee) -> None:
        self._addressee = addressee

    @property
    def path(self) -> str:
        return self._addressee.path

    def tell(self, message: Message) -> None:
        cell = self._addressee.cell()
        _require_handler(cell, message)
        cell.post(Letter(message, cell.clock.monotonic()))

    async def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> R:
        cell = self._addressee.cell()
        _require_handler(cell, request)
        reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        cell.post(Letter(request, cell.clock.monotonic(), reply))
        async with asyncio.timeout(timeout_seconds):
            return await reply

    def __repr__(self) -> str:
        return f"<Ref {self.path}>"


def _require_handler(cell: Cell, message: Message) -> None:
    if handler_for(cell.actor.handlers, type(message)) is None:
        raise UnhandledMessageError(f"{cell.path}: no handler of {cell.actor.__name__} takes {type(message).__name__}")
