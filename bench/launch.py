"""Runs a coroutine to its end, or until a signal stops it gracefully."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from actors import PostroomError
from runtime.event_loop import loop_factory

T = TypeVar("T")


class InterruptedRunError(PostroomError):
    """A signal stopped the run before its end."""


def launch(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one.

    Raises:
        InterruptedRunError: SIGINT or SIGTERM came; the coroutine was cancelled and has cleaned up.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            return runner.run(_until_signal(work))
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise InterruptedRunError(
                "stopped by a signal; what was accepted is on disk, and the same command takes it up again"
            ) from None


async def _until_signal(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
