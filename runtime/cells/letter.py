"""Messages in memory on their way to an actor.

A message that is told lies in the mailbox as it is. Only one that is waited for, or whose sender's context variables
differ from those the actors were started with, is put into a letter.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import ActorError
from actors.message import Message
from runtime.cells.development import context_of_tell

if TYPE_CHECKING:
    from runtime.cells.cell import Cell


class Letter(msgspec.Struct, gc=False):
    """A message with the future that waits for the reply, or with the context it is to be handled in, or both.

    The garbage collector does not look at it, as deep mailboxes are what it would spend its time on: the cycle from a
    reply to who waits for it ends when the reply is given, or when the actor stops.
    """

    message: Message
    reply: asyncio.Future[Any] | None
    context: Context | None


def tell(cell: Cell, message: Message) -> None:
    if type(message) not in cell.methods:
        cell.require_method(message)
    item = told(cell, message)
    inbox = cell.inbox
    if inbox is None:
        cell.accept(item)
    else:
        inbox.append(item)


def differs(context: Context, base: Context) -> bool:
    try:
        return context != base
    except Exception:  # noqa: BLE001 # values of context variables that cannot be compared
        return True


def told(cell: Cell, message: Message) -> Any:
    """What is put into the mailbox for a message that nobody waits for."""
    if cell.queue.development is not None:
        return Letter(message, None, context_of_tell())
    context = copy_context()
    return Letter(message, None, context) if differs(context, cell.queue.base) else message


async def send(cell: Cell, message: Message) -> None:
    """As `tell`, but wait for room where the policy is to wait."""
    if not cell.must_wait():
        tell(cell, message)
        return
    if type(message) not in cell.methods:
        cell.require_method(message)
    item = told(cell, message)
    room: asyncio.Future[None] = cell.queue.new_future()
    assert cell.limit is not None
    cell.limit.senders.append((room, item))
    await room


def message_of(item: Any) -> object:
    """The message in whatever lies in a mailbox."""
    return item.message if type(item) is Letter or hasattr(item, "explains_failure") else item


def abandon(item: Any, error: ActorError) -> bool:
    """Tell who waits for it that it will not be handled; False if nobody does."""
    if type(item) is Letter:
        if item.reply is None:
            return False
        if not item.reply.done():
            item.reply.set_exception(error)
        return True
    if hasattr(item, "explains_failure"):
        item.abandon(error)
        return True
    return False
