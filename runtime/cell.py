"""One actor in its place: mailbox, lives, and the way from one message to the next.

new -> ready -> busy -> idle -> ready ...
                  | crashed (an event explains it): fresh instance at once, busy again
                  | crashed (nothing explains it): failed, until the owner restarts or stops it
any -> stopped
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any

from actors.actor import Actor
from actors.context import Clock
from actors.errors import ActorError, ActorStoppedError, UnhandledMessageError
from actors.handler import method_for
from actors.message import Message
from actors.ref import Ref
from actors.spec import Supervision
from runtime.asking import Adopted, cancelled_from_within, explain
from runtime.cell_state import CellState, Owner, Record
from runtime.children import Children
from runtime.context import MemoryContext
from runtime.core.supervision_errors import describe
from runtime.letter import Letter
from runtime.mailbox import Mail, MailboxStatistics
from runtime.refs import CellRef
from runtime.run_queue import MAX_MAILBOXES, Runner, RunQueue
from runtime.tree import TreeNode
from runtime.within import within

LOGGER = logging.getLogger("postroom.actors")

KILL_SECONDS = 1.0
"""How long a cancelled handler has to go before it is abandoned: Python cannot kill a coroutine."""

NEW, IDLE, READY, BUSY, FAILED, STOPPED = CellState
DEFAULT_SUPERVISION = Supervision()


class Cell:
    """An actor's place. It outlives the instances of the actor class, and so do its mailbox and its reference."""

    __slots__ = (
        "_failure",
        "_on_started",
        "_stopped",
        "_stopping",
        "actor",
        "adopted",
        "base",
        "children",
        "clock",
        "control",
        "handled",
        "inbox",
        "instance",
        "key",
        "mail",
        "methods",
        "owner",
        "path",
        "queue",
        "record",
        "requests",
        "runner",
        "service",
        "since",
        "state",
        "supervision",
        "tenant",
        "waiting_since",
    )

    def __init__(
        self,
        path: str,
        actor: type[Actor],
        *,
        service: str,
        tenant: str | None,
        key: str | None,
        owner: Owner,
        run_queue: RunQueue,
        clock: Clock,
        supervision: Supervision = DEFAULT_SUPERVISION,
    ) -> None:
        self.path = path
        self.actor = actor
        self.service = service
        self.tenant = tenant
        self.key = key
        self.clock = clock
        self.owner = owner
        self.queue = run_queue
        self.supervision = supervision
        self.base = run_queue.base
        self.methods = actor._methods
        self.requests = actor._requests
        self.state = NEW
        self.handled = 0
        self.since = 0.0
        self.waiting_since: float | None = None
        self.inbox: deque[Any] | None = None
        """The mailbox, where a message can be put without further ado; None where `accept` has to see to it."""
        self.mail: deque[Any] | None = None
        self.control: deque[Any] | None = None
        self.instance: Actor | None = None
        self.children: Children | None = None
        self.record: Record | None = None
        self.runner: Runner | None = None
        self.adopted: Adopted | None = None
        self._failure: BaseException | None = None
        self._on_started: Callable[[BaseException | None], None] | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._stopping = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def ref(self) -> Ref:
        return CellRef(self)

    def new_context(self) -> MemoryContext:
        return MemoryContext(self)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for it and nothing runs."""
        return self.state in {NEW, IDLE} and not self.mail

    @property
    def starting(self) -> bool:
        """Whether somebody waits for its first start, and will be told of a failure."""
        return self._on_started is not None

    @property
    def stopped(self) -> bool:
        return self.state is STOPPED

    @property
    def last_restart_at(self) -> float | None:
        return self.record.last_restart_at if self.record else None

    @property
    def last_reason(self) -> str | None:
        return self.record.last_reason if self.record else None

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        return self.owner.lookup(service, tenant, key)

    def spawn(self, actor: type[Actor], name: str, supervision: Supervision | None) -> Coroutine[Any, Any, Ref]:
        return self.owner.spawn(self, actor, name, supervision)

    # Mail

    def require_method(self, message: Message) -> None:
        """Raise UnhandledMessageError unless the actor takes it."""
        if method_for(self.methods, type(message)) is None:
            name, kind = self.actor.__name__, type(message).__name__
            raise UnhandledMessageError(f"{self.path}: no handler of {name} takes {kind}")

    def post(self, mail: Mail) -> None:
        """Put mail into the mailbox. Raises ActorStoppedError."""
        self.require_method(mail.message)
        self.accept(mail)

    def accept(self, item: Any) -> None:
        """Put something into the mailbox, whatever the state. Raises ActorStoppedError."""
        if self._stopping:
            raise ActorStoppedError(f"{self.path} has stopped")
        mail, queue = self.mail, self.queue
        if mail is None:
            mail = self.mail = queue.mailboxes.pop() if queue.mailboxes else deque()
        mail.append(item)
        if self.state is IDLE or self.state is NEW:
            self.state = READY
            self.inbox = mail
            queue.ready.append(self)
            if queue.lead is None:
                queue.pass_lead()
            self.waiting_since = queue.now

    def wake(self) -> None:
        self.state = READY
        self.inbox = self.mail
        self.queue.schedule(self)

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(len(self.mail or ()), self.waiting_since if self.mail else None)

    # Life

    def start(self, on_started: Callable[[BaseException | None], None] | None = None) -> None:
        """Begin a life, or the next one after a failure; `on_started` is called with None or with what failed."""
        self._on_started = on_started
        if self.state is FAILED:
            assert self.record is not None
            self.record.restarts += 1
            if self.runner is not None:
                self.state = BUSY  # restarted from within its own failure: it goes on where it is
                return
            self.state = NEW
        if self.state is NEW:
            self.wake()

    def start_at_once(self) -> bool:
        """Begin the first life here and now, if no hook may suspend. Raises what the class raises."""
        if "on_start" in self.actor._hooks:
            return False
        self._make_instance()
        self.state = IDLE
        return True

    async def stop(self, shutdown_seconds: float) -> None:
        """Let the message at hand end, then `on_stop`; cancel both after `shutdown_seconds`. Safe twice."""
        if self._stop_at_once():
            return
        self._command(STOP)
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
        if not await _within_seconds(self._stopped, shutdown_seconds):
            await self._kill(self._stopped, shutdown_seconds)

    def _stop_at_once(self) -> bool:
        if self.state is STOPPED:
            return True
        self._stopping = True
        self.inbox = None
        quiet = self.state is IDLE and self.children is None and "on_stop" not in self.actor._hooks
        if quiet or self.state is NEW or self.state is FAILED:
            self.instance = None
            self._become_stopped()
            return True
        return False

    def stop_failed(self) -> None:
        """Stop for good where it failed: it is not restarted."""
        self._stopping = True
        self._become_stopped()

    def cancel(self) -> None:
        """Cancel what the actor does at this moment."""
        if self.runner is not None:
            self.runner.cancel()

    async def _kill(self, stopped: asyncio.Future[None], after_seconds: float) -> None:
        LOGGER.warning("%s did not stop within %s s and is cancelled", self.path, after_seconds)
        self.cancel()
        if not await _within_seconds(stopped, KILL_SECONDS):
            LOGGER.error("%s ignores its cancellation and is abandoned", self.path)
            self._become_stopped()

    def adopt(self, adopted: Adopted) -> None:
        """Have a runner go on with what began in its asker's turn."""
        self.adopted = adopted
        self.runner = adopted.standby.runner
        adopted.standby.adopt(adopted)

    def crash(self, reason: BaseException) -> None:
        """Crash over what a handler raised outside `drain`."""
        self.state = IDLE
        self._command(reason)

    def child_gave_up(self, reason: BaseException) -> None:
        """The supervision of its children has given up: that is a failure of the parent."""
        if not self._stopping:
            self._command(reason)

    def _command(self, command: Any) -> None:
        """Put something into the control lane, which overtakes every message."""
        if self.control is None:
            self.control = deque()
        self.control.append(command)
        if self.state is IDLE or self.state is NEW:
            self.wake()

    # At work

    # One function, as each call on this path costs a tenth of a message.
    async def drain(self, limit: int, runner: Runner, context: Context) -> int:  # noqa: C901, PLR0912, PLR0915
        self.runner = runner
        self.state = BUSY
        base, methods, cancelling, handled, changed = self.base, self.methods, runner.cancelling, 0, False
        try:
            while True:
                if self.control or self.instance is None:
                    await self._attend()
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
                    while mail and handled < limit:
                        item = mail.popleft()
                        handled += 1
                        method = methods.get(type(item))
                        if method is not None:
                            result = method(instance, item)
                            if type(result) is CoroutineType:
                                await result
                        elif type(item) is Letter:
                            await self._read(instance, item)
                        else:
                            await self._deliver(instance, item)
                        if context != base or cancelling():
                            changed = True
                            break
                        if self.control:
                            break
                except asyncio.CancelledError as error:
                    await self._cancelled(item, error)
                    changed = context != base or cancelling() > 0
                except Exception as error:  # noqa: BLE001 # supervision is about whatever a handler raises
                    await self._failed(item, error)
                    changed = context != base or cancelling() > 0
                if not self.control and (changed or not mail or handled >= limit):
                    break
        finally:
            self.runner = None
            self.handled += handled
        if self.state is BUSY:
            queue, mail = self.queue, self.mail
            if mail or self.control:
                self.state = READY
                queue.ready.append(self)
            else:
                self.state = IDLE
                self.inbox = self.mail = None
                if mail is not None and len(queue.mailboxes) < MAX_MAILBOXES:
                    queue.mailboxes.append(mail)
        return -1 if changed else handled + 1

    async def _read(self, instance: Actor, letter: Letter) -> None:
        method = self.methods[type(letter.message)]
        if letter.context is None:
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
        result = self.methods[type(mail.message)](instance, mail.message)
        if type(result) is CoroutineType:
            result = await result
        instance._context = usual
        mail.succeed(result)

    async def _cancelled(self, item: Any, error: asyncio.CancelledError) -> None:
        if self._stopping:
            if self.runner is not None:
                self.runner.uncancel()
            _abandon(item, ActorStoppedError(f"{self.path} was stopped"))
        elif self.queue.closed:
            _abandon(item, ActorStoppedError(f"{self.path} was cancelled"))
            raise error
        else:
            await self._failed(item, cancelled_from_within(self))

    async def _failed(self, item: Any, error: Exception) -> None:
        if type(item) is Letter:
            if item.reply is not None and not item.reply.done():
                explain(error, self, item.message)
                item.reply.set_exception(error)
            await self._crashed(error, explained=False)
        elif type(item) in self.methods:
            await self._crashed(error, explained=False)
        else:
            item.fail(error)
            await self._crashed(error, explained=item.explains_failure)

    async def _crashed(self, reason: BaseException, *, explained: bool) -> None:
        await self._end_life(reason)
        if self._stopping:
            return
        self._note(reason)
        if not explained:
            self.state = FAILED
            self.owner.cell_failed(self, reason)
            await self._live()
            return
        assert self.record is not None
        self.record.restarts += 1
        await self._begin_life()
        if self.instance is not None:
            self.owner.cell_restarted(self, reason)

    async def _attend(self) -> None:
        """Do what the control lane says, then see that there is a life."""
        while self.control:
            command = self.control.popleft()
            if command is STOP:
                await self._end_life(None)
                self._become_stopped()
            elif self.instance is not None and not self._stopping:
                await self._crashed(command, explained=False)
        await self._live()

    async def _live(self) -> None:
        """See that there is a life, unless it failed and has to wait."""
        while self.instance is None and self.state is BUSY and not self._stopping:
            await self._begin_life()

    async def _begin_life(self) -> None:
        failure, self._failure = self._failure, None
        hooks = self.actor._hooks
        try:
            instance = self._make_instance()
            if "on_start" in hooks:
                await self._guarded(instance.on_start)
            if failure is not None and "on_restart" in hooks:
                await self._guarded(lambda: instance.on_restart(failure))
        except Exception as error:  # noqa: BLE001 # whatever a hook raises is the owner's to judge
            self.instance = None
            self._note(error)
            if not self._stopping:
                self.state = FAILED
                self.owner.cell_failed(self, error)
            self._report_start(error)
            return
        self._report_start(None)

    def _make_instance(self) -> Actor:
        instance = self.instance = self.actor()
        instance._place = self
        self.since = self.clock.now()
        return instance

    async def _end_life(self, reason: BaseException | None) -> None:
        instance, self.instance = self.instance, None
        if instance is None:
            return
        hooks = self.actor._hooks
        instance._context = None
        if reason is not None and "before_restart" in hooks:
            await self._tolerated("before_restart", lambda: instance.before_restart(reason))
        if self.children is not None:
            children, self.children = self.children, None
            await children.stop()
        if "on_stop" in hooks:
            await self._tolerated("on_stop", instance.on_stop)

    def _note(self, reason: BaseException) -> None:
        self._failure = reason
        if self.record is None:
            self.record = Record()
        self.record.last_reason = describe(reason)
        self.record.last_restart_at = self.clock.now()

    def _report_start(self, error: BaseException | None) -> None:
        on_started, self._on_started = self._on_started, None
        if on_started is not None:
            on_started(error)

    def _become_stopped(self) -> None:
        self.state = STOPPED
        self.inbox = None
        mail, self.mail = self.mail, None
        stopped = ActorStoppedError(f"{self.path} has stopped")
        for item in mail or ():
            if not _abandon(item, stopped):
                self.owner.dropped(self, item.message if type(item) is Letter else item, "the actor has stopped")
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    async def _tolerated(self, name: str, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._guarded(hook)
        except Exception:
            LOGGER.exception("%s: %s failed", self.path, name)

    async def _guarded(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await within(self.base.copy(), hook())
        except asyncio.CancelledError:
            runner = asyncio.current_task()
            if not self._stopping or runner is None:
                raise
            runner.uncancel()
            raise ActorError(f"{self.path}: a hook was cancelled because it took too long") from None

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
            mailbox_depth=mail.depth,
            oldest_message_seconds=None
            if mail.oldest_sent_at is None
            else self.clock.monotonic() - mail.oldest_sent_at,
            handled=self.handled,
            children=self.children.nodes() if self.children else (),
            children_total=len(self.children) if self.children else 0,
        )


STOP = object()
"""The command to stop."""


def _abandon(item: Any, error: ActorStoppedError) -> bool:
    """Tell who waits for it that it will not be handled; False if nobody does."""
    if type(item) is Letter:
        if item.reply is None:
            return False
        if not item.reply.done():
            item.reply.set_exception(error)
        return True
    if hasattr(item, "abandon"):
        item.abandon(error)
        return True
    return False


async def _within_seconds(future: asyncio.Future[None], seconds: float) -> bool:
    await asyncio.wait({future}, timeout=seconds)
    return future.done()
