"""An actor's lives: hooks, crashes, restarts, the control lane, the end.

new -> ready -> busy -> idle -> ready ...
                  | crashed (an event explains it): fresh instance at once, busy again
                  | crashed (nothing explains it): failed, until the owner restarts or stops it
any -> stopped
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, cast

from actors.actor import Actor
from actors.errors import ActorError, ActorStoppedError
from actors.message import Message
from actors.spec import Directive
from runtime.cells.dead_messages import DeadReason
from runtime.cells.letter import abandon, message_of
from runtime.cells.place import BUSY, FAILED, IDLE, NEW, READY, STOPPED, CellPlace
from runtime.cells.state import QUIT, REST, RESTART, STOP, QuitError, Record, ReloadError
from runtime.cells.within import ENDED, begin_within, within
from runtime.core.supervision_errors import glimpse

LOGGER = logging.getLogger("postroom.actors")

RESTART_CHILD = Directive.RESTART
KILL_SECONDS = 1.0
"""How long a cancelled handler has to go before it is abandoned: Python cannot kill a coroutine."""


class CellLife(CellPlace):
    """The life of an actor's place. See `runtime.cells.cell.Cell` for its work."""

    __slots__ = ()

    def wake(self) -> None:
        self.state = READY
        self.inbox = self.mail if self.kind.direct else None
        self.queue.schedule(cast("Any", self))

    # Beginning and ending, from outside

    def start(self, on_started: Callable[[BaseException | None], None] | None = None) -> None:
        """Begin a life, or the next one after a failure; `on_started` is called with None or with what failed."""
        self.on_started = on_started
        if self.state is FAILED:
            if self.record is None:
                self.record = Record()
            self.record.restarts += 1
            if self.runner is not None:
                self.state = BUSY  # restarted from within its own failure: it goes on where it is
                return
            self.state = NEW
        if self.state is NEW:
            self.wake()

    def start_at_once(self) -> bool:
        """Begin the first life here and now, if no hook may suspend. Raises what the class raises."""
        kind = self.kind
        if "on_start" in kind.hooks:
            return False
        if not kind.bare:
            self.embody()
        self.since = kind.clock.now()
        self.state = IDLE
        return True

    def embody(self) -> Actor:
        """Make the instance. One that is idle may be without: each would cost as much again as all the rest of it."""
        instance = self.instance = self.kind.actor()
        instance._actor_place = self
        return instance

    async def stop(self, shutdown_seconds: float) -> None:
        """Let the message at hand end, then `on_stop`; cancel both after `shutdown_seconds`. Safe twice."""
        if self._stop_at_once():
            return
        self.command(STOP)
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
        if not await within_seconds(self._stopped, shutdown_seconds):
            await self._kill(self._stopped, shutdown_seconds)

    def stop_failed(self) -> None:
        """Stop for good where it failed: it is not restarted."""
        self.stopping = True
        self.become_stopped(self.last_reason)

    def cancel(self) -> None:
        """Cancel what the actor does at this moment."""
        if self.runner is not None:
            self.runner.cancel()

    def cut_off(self, error: Exception) -> None:
        """Cancel what it handles at this moment, which then fails with `error`; once for each error."""
        if self.runner is not None and self.cut is not error:
            self.cut = error
            self.runner.cancel()

    def command(self, command: Any) -> None:
        """Put STOP, RESTART, QUIT, an error to crash over, or a notice into the control lane.

        It overtakes every message, and is never dropped.
        """
        if self.state is STOPPED:
            return
        if self.instance is None and self.state is IDLE:
            self.embody()
        if self.control is None:
            self.control = deque()
        self.control.append(command)
        if self.state is IDLE or self.state is NEW:
            self.wake()

    def notify(self, notice: Message) -> None:
        """Have a message of the runtime handled before those of others."""
        if not self.stopping:
            self.command(notice)

    def child_gave_up(self, reason: BaseException) -> None:
        """The supervision of its children has given up: that is a failure of the parent."""
        if not self.stopping:
            self.command(reason)

    def put_first(self, messages: deque[Any]) -> None:
        """Put messages before all others, whatever room there is."""
        if messages:
            if self.mail is None:
                self.mail = deque()
                if self.state is READY or self.state is BUSY:
                    self.inbox = self.mail if self.kind.direct else None
            self.mail.extendleft(reversed(messages))

    def become_stopped(self, reason: str | None) -> None:
        self.state = STOPPED
        self.inbox = None
        mail, self.mail = self.mail, None
        if mail or self.limit is not None:
            self._refuse_rest(mail or ())
        if self.ties is not None:
            self.ties.stopped(reason)
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    def _refuse_rest(self, mail: Iterable[Any]) -> None:
        error = ActorStoppedError(f"{self.path} has stopped")
        for item in mail:
            if not abandon(item, error):
                self.kind.owner.dropped(cast("Any", self), message_of(item), DeadReason.STOPPED)
        if self.limit is not None:
            self.limit.close(error)

    def come_to_rest(self) -> None:
        """This life has ended, and the place waits for the next one."""
        self.state = FAILED
        rested, self._stopped = self._stopped, None
        if rested is not None and not rested.done():
            rested.set_result(None)

    def _stop_at_once(self) -> bool:
        if self.state is STOPPED:
            return True
        self.stopping = True
        self.inbox = None
        quiet = self.state is IDLE and self.children is None and self.ties is None and not self.control
        if (quiet and "on_stop" not in self.kind.hooks) or self.state is NEW or self.state is FAILED:
            self.instance = None
            self.become_stopped(None)
            return True
        return False

    async def _kill(self, stopped: asyncio.Future[None], after_seconds: float) -> None:
        LOGGER.warning("%s did not stop within %s s and is cancelled", self.path, after_seconds)
        self.cancel()
        if not await within_seconds(stopped, KILL_SECONDS):
            LOGGER.error("%s ignores its cancellation and is abandoned", self.path)
            self.become_stopped("it ignored its cancellation")

    # Inside a runner

    async def attend(self) -> None:
        """Do what the control lane says, then see that there is a life."""
        notices: deque[Any] = deque()
        while self.control:
            command = self.control.popleft()
            if command is STOP:
                await self._end_life(None)
                self.become_stopped(None)
            elif command is REST:
                if not self.stopping:
                    await self._end_life(None)
                    self.come_to_rest()
            elif self.instance is None or self.stopping:
                pass  # what it was about has ended
            elif command is QUIT:
                await self._quit()
            elif isinstance(command, BaseException) or command is RESTART:
                await self.crashed(command, explained=isinstance(command, ReloadError))
            else:
                notices.append(command)
        self.put_first(notices)
        await self._live()
        if self.control and self.state is FAILED:  # it could not begin, and somebody waits for it to rest
            await self.attend()

    async def crashed(self, reason: Any, *, explained: bool) -> None:
        """End this life over an exception, or RESTART, and begin the next one if it is to begin at once."""
        if self.kind.actor._actor_state is not None and self._is_parked():
            await self._quit()  # nothing has run; the next message has the state read anew
            return
        decider = self.kind.supervision.decider
        if (decider.rules or decider.otherwise is not RESTART_CHILD) and not explained and self._resumes(reason):
            self.kind.owner.cell_resumed(cast("Any", self), reason)
            return
        if reason is RESTART:
            reason, explained = ActorError(f"{self.path}: it asked for its restart"), True
        if not self._end_bare_life():
            await self._end_life(reason)
        if self.stopping:
            return
        record = self._note(reason, explained=explained)
        if not explained:
            self.state = FAILED
            self.kind.owner.cell_failed(self, reason)  # type: ignore[arg-type] # it is a Cell
            if self.state is BUSY and not self.stopping:
                await self._begin_life()
        else:
            record.restarts += 1
            await self._begin_life()
            if self.instance is not None:
                self.kind.owner.cell_restarted(cast("Any", self), reason)
        if self.instance is None:
            await self._live()

    async def _quit(self) -> None:
        reason = self.kind.owner.quits(cast("Any", self))
        if reason is REST:
            return
        if reason is not None:
            await self.crashed(reason, explained=False)
            return
        self.stopping = True
        self.inbox = None
        await self._end_life(None)
        self.become_stopped(None)
        self.kind.owner.cell_stopped(cast("Any", self))

    def _resumes(self, reason: Any) -> bool:
        if reason is RESTART or self.instance is None:
            return False
        return self.kind.supervision.decider.decide(reason) is Directive.RESUME

    async def _live(self) -> None:
        """See that there is a life, unless it failed and has to wait."""
        while self.instance is None and self.state is BUSY and not self.stopping:
            await self._begin_life()

    async def _begin_life(self) -> None:
        failure, record = None, self.record
        if record is not None:
            failure, record.failure = record.failure, None
        try:
            instance = self.embody()
            self.since = self.kind.clock.now()
            hooks = self.kind.hooks
            if self.kind.actor._actor_state is not None:
                await self._guarded(partial(self.kind.owner.restore, cast("Any", self), instance))
                hooks = self._hooks(instance)
            if "on_start" in hooks:
                limited = self.kind.supervision.start_seconds != math.inf
                await (self._started if limited else self._guarded)(instance.on_start)
            if failure is not None and "on_restart" in hooks:
                await self._guarded(partial(instance.on_restart, failure))
        except Exception as error:  # noqa: BLE001 # whatever a hook raises is the owner's to judge
            self.instance = None
            await self._release(error)
            self._note(error, explained=False)
            if not self.stopping:
                self.state = FAILED
                self.kind.owner.cell_failed(cast("Any", self), error)
            self._report_start(error)
            return
        if self.on_started is not None:
            self._report_start(None)

    def _end_bare_life(self) -> bool:
        """End a life of which nothing is left to clean up; False where there may be something."""
        instance = self.instance
        if instance is None or self.children is not None or self.ties is not None:
            return False
        hooks = self.kind.hooks
        if "on_stop" in hooks or "before_restart" in hooks:
            return False
        instance._context = self.instance = None
        return True

    def _is_parked(self) -> bool:
        return self.instance is not None and self.instance._actor_fault is not None

    def _hooks(self, instance: Actor) -> frozenset[str]:
        """Those to run: none without the state that they may count on."""
        return self.kind.hooks if instance._actor_fault is None else frozenset()

    async def _end_life(self, reason: BaseException | None) -> None:
        instance, self.instance = self.instance, None
        if instance is None:
            return
        hooks = self._hooks(instance)
        instance._context = None
        if reason is not None and "before_restart" in hooks:
            await self._tolerated("before_restart", lambda: instance.before_restart(reason))
        await self._stop_children()
        if "on_stop" in hooks:
            await self._tolerated("on_stop", instance.on_stop)
        await self._release(reason)

    async def _release(self, reason: BaseException | None) -> None:
        """See that nothing is left of what this life has started."""
        await self._stop_children()
        if self.ties is not None:
            await self.ties.end_life(None if isinstance(reason, QuitError) else reason)

    async def _stop_children(self) -> None:
        if self.children is not None:
            children, self.children = self.children, None
            await children.stop()

    def _note(self, reason: BaseException, *, explained: bool) -> Record:
        record = self.record
        if record is None:
            record = self.record = Record()
        record.failure = reason
        record.ends.append((self.kind.clock.now(), glimpse(reason), explained))
        return record

    def _report_start(self, error: BaseException | None) -> None:
        on_started, self.on_started = self.on_started, None
        if on_started is not None:
            on_started(error)

    async def _tolerated(self, name: str, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._guarded(hook)
        except Exception:
            LOGGER.exception("%s: %s failed", self.path, name)

    async def _started(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        limit = self.kind.supervision.start_seconds
        try:
            async with asyncio.timeout(limit):
                await self._guarded(hook)
        except TimeoutError as error:
            raise ActorError(f"{self.path}: on_start took longer than {limit:g} s; raise start_seconds") from error

    async def _guarded(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        context, coroutine = self.queue.base.copy(), hook()
        try:
            awaited = begin_within(context, coroutine)
            if awaited is not ENDED:
                await within(context, coroutine, awaited)
        except asyncio.CancelledError:
            cut, self.cut = self.cut, None
            if (self.stopping or cut is not None) and self.runner is not None:
                self.runner.uncancel()
            elif self.queue.closed:
                raise
            raise cut or ActorError(f"{self.path}: a hook was cancelled") from None


async def within_seconds(future: asyncio.Future[None], seconds: float) -> bool:
    await asyncio.wait({future}, timeout=None if math.isinf(seconds) else seconds)
    return future.done()
