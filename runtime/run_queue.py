"""Runs actors that have mail, without a task per actor.

One runner task at a time leads: it drains the actors that are ready, one after another. When a handler suspends, its
runner stays with it, as any task stays with the coroutine it awaits, and the lead passes to another runner. So a
handler always runs inside a real task that no other handler uses meanwhile, an idle actor owns none, and a handler that
never suspends costs none.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

BATCH = 64
"""How many messages one actor handles before it goes to the back."""
MESSAGES_PER_TURN = 256
"""How many messages the lead handles before the event loop gets a turn."""
MAX_PARKED = 64
"""How many runner tasks without work are kept."""


class Runnable(Protocol):
    """What a run queue runs: an actor."""

    async def drain(self, limit: int) -> int:
        """Handle up to `limit` messages and return how many it was. Raises nothing but CancelledError."""
        ...

    def rest(self) -> bool:
        """End a turn; return whether there is more to do."""
        ...


class RunQueue:
    """The actors that are ready, and the runners that serve them."""

    def __init__(self) -> None:
        self._ready: deque[Runnable] = deque()
        self._runners: set[asyncio.Task[None]] = set()
        self._parked: list[tuple[asyncio.Task[None], asyncio.Future[None]]] = []
        self._lead: asyncio.Task[None] | None = None

    def schedule(self, runnable: Runnable) -> None:
        """Let it run soon. The caller sees to it that one is never scheduled twice at a time."""
        self._ready.append(runnable)
        if self._lead is None:
            self._pass_lead()

    async def close(self) -> None:
        """Cancel every runner and wait until they are gone."""
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Await a coroutine and give the lead away if it suspends. For use inside `drain` only."""
        try:
            step = coroutine.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # a generator's value carries no type
        self._give_lead_away()
        while True:
            try:
                sent = yield step
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 # handed to the coroutine, as `yield from` would
                thrown: BaseException | None = error
            else:
                thrown = None
            try:
                step = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return] # as above

    def _give_lead_away(self) -> None:
        if self._lead is asyncio.current_task():
            self._lead = None
            if self._ready:
                self._pass_lead()

    def _pass_lead(self) -> None:
        if self._parked:
            self._lead, wake = self._parked.pop()
            wake.set_result(None)
        else:
            self._lead = asyncio.get_running_loop().create_task(self._run(), name="postroom-runner")
            self._runners.add(self._lead)
            self._lead.add_done_callback(self._ended)

    def _ended(self, runner: asyncio.Task[None]) -> None:
        self._runners.discard(runner)
        self._parked = [parked for parked in self._parked if parked[0] is not runner]
        if self._lead is runner:
            self._lead = None
            if self._ready and not runner.cancelled():
                self._pass_lead()
        if not runner.cancelled() and (error := runner.exception()) is not None:
            raise error

    async def _run(self) -> None:
        runner = asyncio.current_task()
        assert runner is not None
        while True:
            await self._serve(runner)
            if len(self._parked) >= MAX_PARKED:
                return
            wake = asyncio.get_running_loop().create_future()
            self._parked.append((runner, wake))
            await wake

    async def _serve(self, runner: asyncio.Task[None]) -> None:
        handled = 0
        while self._ready and self._lead is runner:
            runnable = self._ready.popleft()
            handled += await runnable.drain(BATCH)
            if runnable.rest():
                self._ready.append(runnable)
            if self._lead is None:
                self._lead = runner
            if handled >= MESSAGES_PER_TURN and self._lead is runner:
                handled = 0
                await asyncio.sleep(0)
        if self._lead is runner:
            self._lead = None
