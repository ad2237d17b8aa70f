"""Awaiting a coroutine in a context of its own, inside the task at hand."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def within(context: Context, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await a coroutine that has not begun."""
    run = context.run
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        try:
            awaited = run(step, argument)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # a generator's value carries no type
        try:
            argument, step = (yield awaited), coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 # handed on, as `yield from` would
            argument, step = error, coroutine.throw
