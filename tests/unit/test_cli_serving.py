"""How a served app ends, with an app that does nothing but start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from runtime.app import App
from runtime.cli.serving import GaveUpError, StoppedAtOnceError, serve
from runtime.running import Running
from runtime.settings import Settings


class Idle:
    """Stands for an app; `reason` makes it give up as soon as it runs."""

    name = "idle"

    def __init__(self, reason: BaseException | None = None, *, ends: bool = False) -> None:
        self._ended = asyncio.Event()
        self._reason = reason
        self._ends = ends or reason is not None
        self.stopped = False

    @contextlib.asynccontextmanager
    async def running(self, _: Settings) -> AsyncIterator[Idle]:
        await self.starting()
        try:
            yield self
        finally:
            self.stopped = True

    async def starting(self) -> None:
        """Nothing to wait for."""

    async def wait_stopped(self) -> BaseException | None:
        if not self._ends:
            await self._ended.wait()
        return self._reason


class NeverStarts(Idle):
    async def starting(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await self._ended.wait()


def run(app: Idle, on_running: Callable[[Running], None] = lambda _: None) -> None:
    serve(cast("App", app), Settings(), on_running)


def interrupt(_: Running) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_it_gracefully() -> None:
    app = Idle()
    run(app, interrupt)
    assert app.stopped


def test_an_app_that_gave_up_is_an_error_with_its_reason() -> None:
    app = Idle(OSError("disk full"))
    with pytest.raises(GaveUpError, match="the app gave up: OSError: disk full"):
        run(app)
    assert app.stopped


def test_an_app_that_stopped_by_itself_is_no_error() -> None:
    app = Idle(ends=True)
    run(app)
    assert app.stopped


def test_a_signal_during_the_start_cuts_it_off() -> None:
    with pytest.raises(StoppedAtOnceError):
        run(NeverStarts())


def test_the_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(Idle(), interrupt)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class NeverDrains(Idle):
    """Its stop hangs until it is cancelled."""

    @contextlib.asynccontextmanager
    async def running(self, _: Settings) -> AsyncIterator[Idle]:
        try:
            yield self
        finally:
            try:
                await self._ended.wait()
            finally:
                self.stopped = True


def test_two_signals_in_a_row_cut_the_draining_off_and_not_the_serving() -> None:
    def interrupt_twice(running: Running) -> None:
        interrupt(running)
        os.kill(os.getpid(), signal.SIGINT)

    app = NeverDrains()
    with pytest.raises(StoppedAtOnceError, match="what was accepted is on disk"):
        run(app, interrupt_twice)
    assert app.stopped
