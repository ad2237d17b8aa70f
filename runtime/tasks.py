"""Tasks of the runtime's own machinery."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


def new_task(
    coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
) -> asyncio.Task[T]:
    """A task that begins in the next turn of the loop, also where the loop's task factory begins them at once.

    Eager tasks (Python 3.12) are for the code of those who set that factory. Under them the machinery would run in the
    middle of what starts it, such as a handler within the `tell` of its sender.
    """
    return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), name=name, context=context)
