"""References to actors of this process."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from actors.message import Message, Request
from actors.ref import DEFAULT_ASK_SECONDS
from runtime.cells.asking import ask
from runtime.cells.letter import differs, send, tell, told

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

R = TypeVar("R")


class Addressee(Protocol):
    """Finds the actor that a reference stands for at this moment."""

    @property
    def path(self) -> str: ...

    def cell(self) -> Cell: ...


class CellRef(msgspec.Struct, frozen=True):
    """A reference to one actor of this process. Two references to one actor are equal."""

    _cell: Cell

    @property
    def path(self) -> str:
        return self._cell.path

    def cell(self) -> Cell:
        return self._cell

    def tell(self, message: Message) -> None:
        cell = self._cell
        if type(message) not in cell.methods:
            cell.require_method(message)
        try:
            item = message if copy_context() == cell.base else told(cell, message)
        except Exception:  # noqa: BLE001 # values of context variables that cannot be compared
            item = told(cell, message)
        inbox = cell.inbox
        if inbox is None:
            cell.accept(item)
        else:
            inbox.append(item)

    async def send(self, message: Message) -> None:
        cell = self._cell
        mail, limit = cell.mail, cell.limit
        if (  # somebody works at it already, and there is room
            mail is None
            or limit is None
            or len(mail) >= limit.capacity
            or limit.senders
            or cell.stopping
            or type(message) not in cell.methods
            or differs(copy_context(), cell.base)
        ):
            await send(cell, message)
        else:
            mail.append(message)

    def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> Coroutine[Any, Any, R]:
        return ask(self._cell, request, timeout_seconds)

    def __repr__(self) -> str:
        return f"<Ref {self.path}>"


class LocalRef:
    """A reference to a service of this process: whose actor it is, is found anew for every message."""

    __slots__ = ("_addressee",)

    def __init__(self, addressee: Addressee) -> None:
        self._addressee = addressee

    @property
    def path(self) -> str:
        return self._addressee.path

    def cell(self) -> Cell:
        return self._addressee.cell()

    def tell(self, message: Message) -> None:
        tell(self._addressee.cell(), message)

    async def send(self, message: Message) -> None:
        await send(self._addressee.cell(), message)

    async def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> R:
        return await ask(self._addressee.cell(), request, timeout_seconds)

    def __repr__(self) -> str:
        return f"<Ref {self.path}>"
