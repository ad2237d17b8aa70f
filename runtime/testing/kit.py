"""An app at work in a test: everything but the server is real, and nothing waits for time."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from runtime.app import App
from runtime.durable.service import Service
from runtime.running import Running
from runtime.settings import Settings
from runtime.testing.clock import VirtualClock
from runtime.testing.script import Action, Handled, Script
from runtime.testing.store import TestingStore

FAST_TURNS = 1_000
"""How many turns of the loop are looked at one after another before the kit looks every millisecond."""


class Kit:
    """What a test does with its app. Events are enqueued through the app itself."""

    def __init__(self, running: Running, clock: VirtualClock, script: Script) -> None:
        self.running = running
        self.clock = clock
        self._script = script

    def fail(
        self, service: str, kind: type, error: Exception | None = None, *, times: float = math.inf, after: int = 0
    ) -> None:
        """Have a service's handler of a message fail, `times` times, once it has let `after` calls through.

        Raises:
            UnknownServiceError: no service has that name.
            InvalidInputError: it does not take that message.
        """
        self._script.add(service, Action(kind, error or RuntimeError("the test has it fail"), None, times, after))

    def answer(self, service: str, kind: type, answer: Any = None, *, times: float = math.inf, after: int = 0) -> None:
        """Have a service answer without its handler, such as one that needs a database. Raises as `fail`."""
        self._script.add(service, Action(kind, None, answer, times, after))

    def handled(self, service: str | None = None) -> list[Handled]:
        """What handlers were given, in the order in which they were called."""
        return [each for each in self._script.handled if service in {None, each.service}]

    async def idle(self) -> None:
        """Return when there is nothing left to do without time passing."""
        turns = 0
        while not await self._is_idle():
            turns += 1
            await asyncio.sleep(0 if turns < FAST_TURNS else 0.001)

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and all that falls due in it be done at its time."""
        end = self.clock.now() + seconds
        await self.idle()
        while (due := await self._next_due()) is not None and due <= end:
            self.clock.move_to(due)
            await self.idle()
        self.clock.move_to(end)
        await self.idle()

    async def _next_due(self) -> float | None:
        dues = [await self.running.store.next_due(), await self.running.store.schedules.next_look()]
        dues += [service.next_try for service in self.running.machinery.services.values()]
        return min((due for due in dues if due is not None), default=None)

    def _works(self, service: Service) -> bool:
        """Whether it has anything to do before time passes."""
        backlog, due = self.running.machinery.backlog, service.next_try
        if due is not None and due <= self.clock.now():
            service.look()
            return True
        waits_for_time = due is not None and not backlog.behind(service.name)
        return service.busy or (backlog.unfinished(service.name) and not waits_for_time)

    async def _is_idle(self) -> bool:
        machinery = self.running.machinery
        if machinery.journal.waiting or machinery.journal.unrecorded:
            return False
        if any(self._works(service) for service in machinery.services.values()):
            return False
        due = await self.running.store.next_due()
        if due is not None and due <= self.clock.now():
            machinery.delays.look()
            return False
        return not await self.running.schedules.fire_due()


@contextlib.asynccontextmanager
async def app(app: App, settings: Settings | None = None) -> AsyncIterator[Kit]:
    """Run an app in a test: on a store in memory, on a clock that the test moves, without HTTP.

    There is no `self.db`: have what needs it answered by `Kit.answer`. Timers of actors in memory keep to real time.
    """
    clock, script = VirtualClock(), Script(app.services)
    script.install()
    try:
        async with app.running(settings, store=TestingStore(), clock=clock) as running:
            kit = Kit(running, clock, script)
            await kit.idle()
            script.handled.clear()
            yield kit
    finally:
        script.remove()
