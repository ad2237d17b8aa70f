"""References to actors of this process."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from actors.message import Message, Request
from actors.ref import DEFAULT_ASK_SECONDS
from runtime.cells.asking import ENDED, Adopted, crash_over, post_request, require_request
from runtime.cells.current_task import CURRENT_TASKS, current_task_of
from runtime.cells.letter import Letter, differs, send, tell, told
from runtime.cells.state import CellState

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

R = TypeVar("R")
IDLE = CellState.IDLE
BUSY = CellState.BUSY


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
            item = message if copy_context() == cell.queue.base else told(cell, message)
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
            or differs(copy_context(), cell.queue.base)
        ):
            await send(cell, message)
        else:
            mail.append(message)

    # One function, as each call on this path costs a tenth of an ask.
    async def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> R:
        cell = self._cell
        try:
            method = cell.kind.requests[type(request)]
        except KeyError:
            method = require_request(cell, request)
        queue = cell.queue
        loop = queue.loop
        if (
            cell.state is IDLE
            and queue.inline_budget > 0
            and (standby := queue.spare or queue.next_spare())
            and (asker := current_task_of(loop))
        ):
            queue.inline_budget -= 1
            queue.spare = None
            cell.state = BUSY
            context = copy_context()
            CURRENT_TASKS[loop] = standby.runner
            instance = cell.instance
            if instance is None:
                instance = cell.embody()
            try:
                awaited = context.run(standby.send, method(instance, request))
            except BaseException as error:  # noqa: BLE001 # the actor crashes over it before it goes on its way
                standby.serve_anew()
                queue.put_aside(standby)
                raise crash_over(cell, request, error) from None
            finally:
                CURRENT_TASKS[loop] = asker
            if awaited is ENDED:
                is_woken = standby.is_woken
                if not is_woken():  # else the handler cancelled its task
                    if queue.spare is None:
                        queue.spare = standby
                    else:
                        queue.parked.append(standby)
                cell.handled += 1
                cell.state = IDLE
                if cell.mail or cell.control:
                    cell.wake()
                result, standby.result = standby.result, None
                return result  # type: ignore[no-any-return] # the handler's annotation was checked against R
            reply = queue.new_future()
            cell.adopt(Adopted(cell, Letter(request, reply, context), standby, awaited))
        else:
            reply = post_request(cell, request)
        waiting = queue.deadlines.waiting(timeout_seconds)
        waiting.add(reply)
        try:
            return await reply  # type: ignore[no-any-return] # as above
        finally:
            waiting.discard(reply)

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
        return await CellRef(self._addressee.cell()).ask(request, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"<Ref {self.path}>"
