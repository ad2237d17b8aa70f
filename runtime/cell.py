"""One actor in its place: mailbox, lives, and the way from one message to the next.

new -> starting -> idle <-> ready -> busy -> idle
                                      | crashed (an event explains it): fresh instance at once, busy again
                                      | crashed (nothing explains it): failed, until the owner restarts or stops it
any -> stopping -> stopped
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from actors.actor import Actor
from actors.context import Clock
from actors.errors import ActorError, ActorStoppedError, UnhandledMessageError
from actors.handler import Handler, handler_for
from actors.ref import Ref
from actors.spec import Supervision
from runtime.context import MemoryContext
from runtime.core.supervision_errors import describe
from runtime.letter import LocalRef
from runtime.mailbox import Mail, Mailbox
from runtime.run_queue import RunQueue
from runtime.supervisor import Supervisor
from runtime.tree import TreeNode

LOGGER = logging.getLogger("postroom.actors")

KILL_SECONDS = 1.0
"""How long a cancelled handler has to go before it is abandoned: Python cannot kill a coroutine."""


CHILDREN_SECONDS = 5.0
"""How long the children of an actor have to stop, all in all."""


class CellState(enum.StrEnum):
    """Where an actor is in its life."""

    NEW = "new"
    IDLE = "idle"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"
    STOPPED = "stopped"


class Owner(Protocol):
    """Who looks after a cell, decides what a failure leads to, and knows the actors around it."""

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:
        """It crashed and nothing explains it. It stays failed until `restart` or `stop`."""
        ...

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        """It crashed over a durable event and has a fresh instance already."""
        ...

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref: ...

    async def spawn(self, parent: Cell, actor: type[Actor], name: str, supervision: Supervision | None) -> Ref: ...


class Cell:
    """An actor's place. It outlives the instances of the actor class, and so do its mailbox and its reference."""

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
    ) -> None:
        self.path = path
        self.actor = actor
        self.service = service
        self.tenant = tenant
        self.key = key
        self.clock = clock
        self.state = CellState.NEW
        self.handled = 0
        self.restarts = 0
        self.last_reason: str | None = None
        self.last_restart_at: float | None = None
        self.since = clock.now()
        self._owner = owner
        self._queue = run_queue
        self._mailbox = Mailbox()
        self._instance: Actor | None = None
        self._failure: BaseException | None = None
        self._stopping = False
        self._runner: asyncio.Task[None] | None = None
        self._on_started: Callable[[BaseException | None], None] | None = None
        self._stopped = asyncio.Event()
        self._doom: BaseException | None = None
        self.children: Supervisor | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def ref(self) -> Ref:
        return LocalRef(_Fixed(self))

    @property
    def idle(self) -> bool:
        """Whether nothing waits for it and nothing runs."""
        return self.state in {CellState.NEW, CellState.IDLE} and not len(self._mailbox)

    @property
    def stopped(self) -> bool:
        return self.state is CellState.STOPPED

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        return self._owner.lookup(service, tenant, key)

    async def spawn(self, actor: type[Actor], name: str, supervision: Supervision | None) -> Ref:
        return await self._owner.spawn(self, actor, name, supervision)

    def post(self, mail: Mail) -> None:
        """Put mail into the mailbox. Raises ActorStoppedError."""
        if self._stopping:
            raise ActorStoppedError(f"{self.path} has stopped")
        self._mailbox.put(mail)
        self._schedule()

    def start(self, on_started: Callable[[BaseException | None], None] | None = None) -> None:
        """Begin a life, or the next one after a failure; `on_started` is called with None or with what failed."""
        self._on_started = on_started
        if self.state is CellState.FAILED:
            self.restarts += 1
            self.state = CellState.NEW
        self._schedule(wanted=True)

    async def stop(self, shutdown_seconds: float) -> None:
        """Let the message at hand end, then `on_stop`; cancel both after `shutdown_seconds`. Safe twice."""
        self._stopping = True
        if self.state in {CellState.NEW, CellState.FAILED} or (self.state is CellState.IDLE and not self._instance):
            self._become_stopped()
        self._schedule(wanted=True)
        try:
            async with asyncio.timeout(shutdown_seconds):
                await self._stopped.wait()
        except TimeoutError:
            await self._kill(shutdown_seconds)

    def cancel(self) -> None:
        """Cancel what the actor does at this moment."""
        if self._runner is not None:
            self._runner.cancel()

    async def _kill(self, after_seconds: float) -> None:
        LOGGER.warning("%s did not stop within %s s and is cancelled", self.path, after_seconds)
        self.cancel()
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await self._stopped.wait()
        except TimeoutError:
            LOGGER.error("%s ignores its cancellation and is abandoned", self.path)  # noqa: TRY400 # the stack is ours
            self._become_stopped()

    async def drain(self, limit: int) -> int:
        self._runner = asyncio.current_task()
        self.state = CellState.BUSY
        handled = 0
        try:
            if self._instance is None and not self._stopping:
                await self._begin_life()
            while handled < limit and self._instance is not None and not self._stopping:
                if self._doom is not None:
                    doom, self._doom = self._doom, None
                    await self._crashed(doom, explained=False)
                elif len(self._mailbox):
                    await self._handle(self._instance, self._mailbox.take())
                    handled += 1
                else:
                    break
            if self._stopping:
                await self._end_life()
                self._become_stopped()
        finally:
            self._runner = None
        return handled + 1

    def rest(self) -> bool:
        if self.state is not CellState.BUSY:
            return False
        if len(self._mailbox) or self._stopping:
            self.state = CellState.READY
            return True
        self.state = CellState.IDLE
        return False

    def node(self) -> TreeNode:
        mail = self._mailbox.statistics()
        return TreeNode(
            name=self.name,
            kind="actor",
            state=self.state.value,
            since=self.since,
            restarts=self.restarts,
            last_reason=self.last_reason,
            last_restart_at=self.last_restart_at,
            mailbox_depth=mail.depth,
            oldest_message_seconds=None
            if mail.oldest_sent_at is None
            else self.clock.monotonic() - mail.oldest_sent_at,
            handled=self.handled,
        )

    def child_gave_up(self, reason: BaseException | None) -> None:
        """The supervisor of its children has given up: that is a failure of the parent."""
        self.children = None
        if reason is not None and not self._stopping:
            self._doom = reason
            self._schedule()

    def _schedule(self, *, wanted: bool = False) -> None:
        if self.state is CellState.IDLE or (self.state is CellState.NEW and (wanted or len(self._mailbox))):
            self.state = CellState.READY
            self._queue.schedule(self)

    async def _begin_life(self) -> None:
        failure, self._failure = self._failure, None
        try:
            instance = self.actor()
            instance._context = MemoryContext(self)
            await self._guarded(instance.on_start)
            if failure is not None:
                await self._guarded(lambda: instance.on_restart(failure))
        except Exception as error:  # noqa: BLE001 # whatever a hook raises is the owner's to judge
            self._fail(error)
            self._report_start(error)
            return
        self._instance = instance
        self.since = self.clock.now()
        self._report_start(None)

    async def _end_life(self) -> None:
        instance, self._instance = self._instance, None
        if instance is None:
            return
        if self.children is not None:
            children, self.children = self.children, None
            await self._queue.drive(children.stop(CHILDREN_SECONDS))
        instance._context = MemoryContext(self)
        try:
            await self._guarded(instance.on_stop)
        except Exception:
            LOGGER.exception("%s: on_stop failed", self.path)

    async def _handle(self, instance: Actor, mail: Mail) -> None:
        try:
            instance._context = mail.open(self)
            handler = self._handler(mail)
            result = await self._queue.drive(handler.method(instance, mail.message))
        except asyncio.CancelledError as error:
            await self._cancelled(mail, error)
        except Exception as error:  # noqa: BLE001 # supervision is about whatever a handler raises
            mail.fail(error)
            await self._crashed(error, explained=mail.explains_failure)
        else:
            self.handled += 1
            instance._context = None
            mail.succeed(result)

    async def _cancelled(self, mail: Mail, error: asyncio.CancelledError) -> None:
        runner = asyncio.current_task()
        if runner is not None and runner.cancelling() and not self._stopping:
            mail.abandon(ActorStoppedError(f"{self.path} was cancelled"))
            raise error
        if self._stopping:
            if runner is not None:
                runner.uncancel()
            mail.abandon(ActorStoppedError(f"{self.path} was stopped"))
            return
        failure = ActorError(f"{self.path}: the handler was cancelled from within")
        mail.fail(failure)
        await self._crashed(failure, explained=mail.explains_failure)

    async def _crashed(self, reason: BaseException, *, explained: bool) -> None:
        await self._end_life()
        if self._stopping:
            return
        if not explained:
            self._fail(reason)
            return
        self.restarts += 1
        self._note(reason)
        await self._begin_life()
        if self._instance is not None:
            self._owner.cell_restarted(self, reason)

    def _fail(self, reason: BaseException) -> None:
        self._note(reason)
        self.state = CellState.FAILED
        self._owner.cell_failed(self, reason)

    def _note(self, reason: BaseException) -> None:
        self._failure = reason
        self.last_reason = describe(reason)
        self.last_restart_at = self.clock.now()

    def _report_start(self, error: BaseException | None) -> None:
        on_started, self._on_started = self._on_started, None
        if on_started is not None:
            on_started(error)

    def _become_stopped(self) -> None:
        self.state = CellState.STOPPED
        while len(self._mailbox):
            self._mailbox.take().abandon(ActorStoppedError(f"{self.path} has stopped"))
        self._stopped.set()

    def _handler(self, mail: Mail) -> Handler:
        kind = type(mail.message)
        handler = self.actor.handlers.get(kind) or handler_for(self.actor.handlers, kind)
        if handler is None:
            raise UnhandledMessageError(f"{self.path}: no handler takes {kind.__name__}")
        return handler

    async def _guarded(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._queue.drive(hook())
        except asyncio.CancelledError:
            runner = asyncio.current_task()
            if not self._stopping or runner is None:
                raise
            runner.uncancel()
            raise ActorError(f"{self.path}: a hook was cancelled because it took too long") from None


class _Fixed:
    """The addressee of a reference to one cell."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        return self._cell.path

    def cell(self) -> Cell:
        return self._cell
