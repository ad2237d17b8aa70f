"""One actor in its place: its mailbox, and the way from one message to the next."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any

from actors.actor import Actor
from actors.current_event import EVENT
from actors.errors import ActorStoppedError, MailboxFullError
from actors.mailbox import Bounded, Overflow
from actors.ref import Ref
from actors.spec import Supervision
from runtime.cells.asking import Adopted, cancelled_from_within, explain
from runtime.cells.dead_messages import DeadReason
from runtime.cells.development import handle
from runtime.cells.hang import HangTimer
from runtime.cells.letter import Letter, abandon, message_of
from runtime.cells.mailbox import Mail, MailboxStatistics
from runtime.cells.place import BUSY, IDLE, NEW, READY
from runtime.cells.refs import CellRef
from runtime.cells.rest import CellRest
from runtime.cells.run_queue import Runner
from runtime.cells.state import Record
from runtime.cells.within import within
from runtime.tree import TreeNode

EVENT_MESSAGES = 8
"""A durable event takes as long as so many messages: the journal is to get its turns between them, or the database
waits for the handlers and then the handlers for the database."""


class Cell(CellRest):
    """An actor's place. It outlives the instances of the actor class, and so do its mailbox and its reference."""

    __slots__ = ()

    @property
    def ref(self) -> Ref:
        return CellRef(self)

    def spawn(
        self, actor: type[Actor], name: str, supervision: Supervision | None, mailbox: Bounded | None = None
    ) -> Coroutine[Any, Any, Ref]:
        if mailbox is None:
            return self.kind.owner.spawn(self, actor, name, supervision)
        return self.kind.owner.spawn(self, actor, name, supervision, mailbox)

    # Mail

    def post(self, mail: Mail) -> None:
        """Put mail into the mailbox, whatever room there is. Raises ActorStoppedError."""
        self.require_method(mail.message)
        self.accept(mail, whatever_room=True)

    def accept(self, item: Any, *, whatever_room: bool = False) -> None:
        """Put a message or a letter into the mailbox, whatever the state.

        Raises ActorStoppedError, and MailboxFullError as the policy has it.
        """
        if self.stopping:
            self.owner.dropped(self, message_of(item), DeadReason.STOPPED)
            raise ActorStoppedError(f"{self.path} has stopped")
        mail, queue, limit = self.mail, self.queue, self.limit
        if mail is None:
            mail = self.mail = queue.spare_mailbox
            if mail is None:
                mail = self.mail = queue.take_mailbox()
            else:
                queue.spare_mailbox = None
        elif limit is not None and (limit.senders or len(mail) >= limit.capacity) and not whatever_room:
            self._overflow(item)
            return
        mail.append(item)
        if self.state is IDLE or self.state is NEW:
            if self.instance is None and self.state is IDLE:
                self.embody()
            self.state = READY
            if self.kind.direct:
                self.inbox = mail
            queue.ready.append(self)
            if queue.lead is None:
                queue.pass_lead()
            self.waiting_since = queue.now

    def must_wait(self) -> bool:
        """Whether there is no room, and who sends waits for it."""
        limit = self.limit
        if limit is None or not limit.waits or self.stopping:
            return False
        return bool(limit.senders) or len(self.mail or ()) >= limit.capacity

    def accept_or_drop(self, item: Any) -> None:
        """As `accept`, for senders that nobody can tell of an error."""
        try:
            self.accept(item)
        except MailboxFullError:
            self._drop(item, DeadReason.MAILBOX_FULL)
        except ActorStoppedError:
            pass  # noted already

    def _overflow(self, item: Any) -> None:
        limit, mail = self.limit, self.mail
        assert limit is not None
        if limit.policy is Overflow.DROP_NEWEST:
            self._drop(item, DeadReason.MAILBOX_FULL)
        elif limit.policy is Overflow.DROP_OLDEST and mail is not None:
            for place, oldest in enumerate(mail):
                if not hasattr(oldest, "explains_failure"):  # a durable event is not dropped
                    del mail[place]
                    self._drop(oldest, DeadReason.DROPPED_OLDEST)
                    break
            mail.append(item)
        else:
            raise MailboxFullError(self.path, limit.capacity)

    def _drop(self, item: Any, why: DeadReason) -> None:
        assert self.limit is not None
        self.limit.dropped += 1
        self.owner.dropped(self, message_of(item), why)
        abandon(item, MailboxFullError(self.path, self.limit.capacity))

    def statistics(self) -> MailboxStatistics:
        """The mailbox at this moment."""
        mail, limit = self.mail, self.limit
        return MailboxStatistics(
            depth=len(mail or ()),
            oldest_sent_at=self.waiting_since if mail else None,
            capacity=limit.capacity if limit else None,
            dropped=limit.dropped if limit else 0,
            waiting_senders=len(limit.senders) if limit else 0,
        )

    # What began in an asker's turn

    def adopt(self, adopted: Adopted) -> None:
        """Have a runner go on with it."""
        self.adopted = adopted
        self.runner = adopted.standby.runner
        adopted.standby.adopt(adopted)

    def crash(self, reason: BaseException) -> None:
        """Crash over it."""
        self.state = IDLE
        self.command(reason)

    # At work

    # One function, as each call on this path costs a tenth of a message.
    async def drain(  # noqa: C901, PLR0912, PLR0915
        self, limit: int, runner: Runner, context: Context, failure: tuple[Any, BaseException] | None = None
    ) -> int:
        self.runner = runner
        self.state = BUSY
        hang = None
        if not self.kind.direct and self.supervision.hang_seconds != math.inf:
            hang, limit = HangTimer(self, runner), 1
        base, methods = self.queue.base, self.methods
        handled, more, changed = 0, 0, False
        try:
            if failure is not None:
                handled = 1
                await self._broke_off(*failure)
                changed = context != base or runner.cancelling() > 0
            while True:
                if self.control or self.instance is None:
                    await self.attend()
                if changed:
                    break
                instance, mail = self.instance, self.mail
                if instance is None or (mail is None and self.adopted is None):
                    break
                item: Any = None
                try:
                    if self.adopted is not None:
                        adopted, self.adopted, handled = self.adopted, None, 1
                        item = adopted.letter
                        result = await adopted.go_on()
                        if not item.reply.done():
                            item.reply.set_result(result)
                        mail = self.mail
                    while mail and handled < limit and not self.control:
                        item = mail.popleft()
                        handled += 1
                        method = methods.get(type(item))
                        if method is not None:  # a bare message
                            result = method(instance, item)
                            if type(result) is CoroutineType:
                                await result
                        elif type(item) is Letter:
                            await self._read(instance, item)
                        else:
                            more += EVENT_MESSAGES - 1
                            await self._deliver(instance, item)
                        if context != base or runner.cancelling():
                            changed = True
                            break
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 # whatever a handler raises
                    await self._broke_off(item, error)
                    changed = context != base or runner.cancelling() > 0
                if not self.control and (changed or not mail or handled >= limit):
                    break
        finally:
            self.runner = None
            self.handled += handled
            if hang is not None:
                hang.cancel()
        if self.limit is not None and self.mail is not None:
            self.limit.admit(self.mail)
        if self.state is BUSY:
            queue, mail = self.queue, self.mail
            if mail or self.control:
                self.state = READY
                queue.ready.append(self)
            else:
                self.state = IDLE
                self.inbox = self.mail = None
                if mail is not None:
                    queue.keep_mailbox(mail)
        return -1 if changed else handled + more or 1

    async def _read(self, instance: Actor, letter: Letter) -> None:
        method = self.methods[type(letter.message)]
        if self.queue.development is not None:
            result = await handle(self, letter.context, method, instance, letter.message)
        elif letter.context is None:
            result = method(instance, letter.message)
            if type(result) is CoroutineType:
                result = await result
        else:
            result = letter.context.run(method, instance, letter.message)
            if type(result) is CoroutineType:
                result = await within(letter.context, result)
        reply = letter.reply
        if reply is not None and not reply.done():
            reply.set_result(result)

    async def _deliver(self, instance: Actor, mail: Mail) -> None:
        usual, instance._context = instance._context, mail.open(self)
        method = self.methods[type(mail.message)]
        before = EVENT.set(mail.event)
        try:
            if self.queue.development is not None:
                result = await handle(self, None, method, instance, mail.message)
            else:
                result = method(instance, mail.message)
                if type(result) is CoroutineType:
                    result = await result
        finally:
            EVENT.reset(before)
        instance._context = usual
        mail.succeed(result)

    def _broke_off(self, item: Any, error: BaseException) -> Coroutine[Any, Any, None]:
        return self._cancelled(item, error) if isinstance(error, asyncio.CancelledError) else self._failed(item, error)

    async def _cancelled(self, item: Any, error: asyncio.CancelledError) -> None:
        cut, self.cut = self.cut, None
        if self.stopping or cut is not None:
            if self.runner is not None:
                self.runner.uncancel()
            if cut is not None:
                await self._failed(item, cut)
            else:
                abandon(item, ActorStoppedError(f"{self.path} was stopped"))
        elif self.queue.closed:
            abandon(item, ActorStoppedError(f"{self.path} was cancelled"))
            raise error
        else:
            await self._failed(item, cancelled_from_within(self))

    def _failed(self, item: Any, error: BaseException) -> Coroutine[Any, Any, None]:
        """Tell who waits for it; what is returned crashes the actor."""
        explained = False
        if type(item) is Letter:
            if item.reply is not None and not item.reply.done():
                explain(error, self, item.message)
                item.reply.set_exception(error)
        elif type(item) not in self.methods:
            item.fail(error)
            explained = item.explains_failure
        return self.crashed(error, explained=explained)

    def node(self) -> TreeNode:
        mail, record = self.statistics(), self.record or Record()
        return TreeNode(
            name=self.name,
            kind="actor",
            state=self.state.value,
            since=self.since or self.clock.now(),
            restarts=record.restarts,
            last_reason=record.last_reason,
            last_restart_at=record.last_restart_at,
            exits=record.exits,
            mailbox_depth=mail.depth,
            oldest_message_seconds=None
            if mail.oldest_sent_at is None
            else self.clock.monotonic() - mail.oldest_sent_at,
            handled=self.handled,
            children=self.children.nodes() if self.children else (),
            children_total=len(self.children) if self.children else 0,
        )


Cell.child = Cell
