"""Runs an app until it stops by itself or a signal asks it to."""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from runtime.app import App
from runtime.cli.parent import parent_watched
from runtime.core.supervision_errors import describe
from runtime.errors import LeaseLostError, RuntimeFaultError
from runtime.event_loop import loop_factory
from runtime.running import Running
from runtime.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST_GRACE_SECONDS = 2.0
"""How long the runtime may take to close its store after a second signal."""
AT_ONCE = "stopped at once; what was accepted is on disk and runs at the next start"

log = logging.getLogger("postroom")


class GaveUpError(RuntimeFaultError):
    """The app's supervision tree gave up."""

    def __init__(self, reason: BaseException | None) -> None:
        super().__init__(f"the app gave up: {describe(reason)}")


class StoppedAtOnceError(RuntimeFaultError):
    """A second signal, or one during the start, cut the app off. What it had accepted is on disk."""


def serve(app: App, settings: Settings, on_running: Callable[[Running], None]) -> None:
    """Run the app; return after a graceful stop.

    Raises:
        GaveUpError: the supervision tree gave up.
        StoppedAtOnceError: it was told twice to stop.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(_serve(app, settings, on_running))
        except asyncio.CancelledError:
            raise StoppedAtOnceError(AT_ONCE) from None


async def _serve(app: App, settings: Settings, on_running: Callable[[Running], None]) -> None:
    with _stop_on_signals() as stop, parent_watched():
        while isinstance(reason := await _serve_once(app, settings, on_running, stop), LeaseLostError):
            log.warning("%s; starting anew", reason)
            stop.phase = Phase.STARTING
    if reason is not None:
        raise GaveUpError(reason) from reason


async def _serve_once(
    app: App, settings: Settings, on_running: Callable[[Running], None], stop: _Stop
) -> BaseException | None:
    """Run the app once; why it stopped by itself, or None."""
    try:
        async with app.running(settings) as running:
            stop.phase = Phase.SERVING
            on_running(running)
            reason = await _first(running, stop)
            stop.begin_draining()
    except LeaseLostError as error:  # while it was starting
        return error
    return reason


async def _first(running: Running, stop: _Stop) -> BaseException | None:
    """Why the app stopped by itself, or None as soon as it is asked to stop."""
    stopped = asyncio.create_task(running.wait_stopped())
    asked = asyncio.create_task(stop.asked.wait())
    try:
        await asyncio.wait({stopped, asked}, return_when=asyncio.FIRST_COMPLETED)
        return stopped.result() if stopped.done() else None
    finally:
        stopped.cancel()
        asked.cancel()


class Phase(enum.Enum):
    """What a signal meets."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    DRAINING = enum.auto()


class _Stop:
    """What signals have asked for.

    The first asks to drain. A second, or one during the start, cancels what goes on, which is the start or the
    draining: cancelled while it still serves, the app would only begin to drain. A third ends the process.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.phase = Phase.STARTING
        self._at_once = False
        self._task = asyncio.current_task()

    def receive(self, number: signal.Signals) -> None:
        if self._at_once:
            _end_process()
        elif self.asked.is_set() or self.phase is Phase.STARTING:
            log.warning("%s: stopping at once", number.name)
            self._at_once = True
            asyncio.get_running_loop().call_later(LAST_GRACE_SECONDS, _end_process)
            if self.phase is not Phase.SERVING:
                self._cancel()
        else:
            log.warning("%s: finishing what runs; once more to stop at once", number.name)
            self.asked.set()

    def begin_draining(self) -> None:
        self.phase = Phase.DRAINING
        if self._at_once:
            self._cancel()

    def _cancel(self) -> None:
        assert self._task is not None
        self._task.cancel()


def _end_process() -> None:
    """Leave without closing anything: the next start recovers, as after a crash."""
    click.echo(f"postroom: error: {AT_ONCE}", err=True)
    os._exit(1)


@contextmanager
def _stop_on_signals() -> Iterator[_Stop]:
    loop = asyncio.get_running_loop()
    stop = _Stop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.receive, number)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
