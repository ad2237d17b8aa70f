"""Awaiting a coroutine in a context of its own, inside the task at hand."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")
NOT_BEGUN = object()
ENDED = object()


@types.coroutine
def within(context: Context, coroutine: Coroutine[Any, Any, T], awaited: Any = NOT_BEGUN) -> Generator[Any, Any, T]:
    """Await a coroutine that has not begun, or that is at `awaited`."""
    run = context.run
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        if awaited is not NOT_BEGUN:
            try:
                argument, step = (yield awaited), coroutine.send
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:  # noqa: BLE001 # handed on, as `yield from` would
                argument, step = error, coroutine.throw
        try:
            awaited = run(step, argument)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # a generator's value carries no type


def begin_within(context: Context, coroutine: Coroutine[Any, Any, None]) -> Any:
    """Run it up to its first pause and return what it awaits, or ENDED.

    For a coroutine that mostly does not pause: no StopIteration is raised at its end, which costs more than a short
    coroutine itself.
    """
    return context.run(next, coroutine.__await__(), ENDED)
