"""The event loops that the in-memory benchmarks run on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from actors import PostroomError

try:
    import uvloop
except ImportError:  # there is none for Windows
    LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
else:
    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

VARIABLE = "POSTROOM_BENCH_LOOP"

T = TypeVar("T")


class UnknownLoopError(PostroomError):
    """There is no such event loop here."""


def loop_name() -> str:
    """The loop that was asked for by POSTROOM_BENCH_LOOP, else the fastest there is. Raises UnknownLoopError."""
    name = os.environ.get(VARIABLE) or list(LOOPS)[-1]
    if name not in LOOPS:
        raise UnknownLoopError(f"{VARIABLE}={name}: there is no such loop here; there are: {', '.join(LOOPS)}")
    return name


def run_on(name: str, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` on a fresh loop."""
    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        return runner.run(work)
