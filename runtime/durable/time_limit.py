"""The time limit of a service for the handlers of its events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any

from actors.actor import Actor
from actors.errors import HandlerTimeoutError
from actors.handler import Method


def limited(actor: type[Actor], seconds: float) -> dict[type, Method]:
    """The handlers of a class, each cancelled when it has been at an event for so long. A plain one cannot be."""
    methods = actor._actor_methods  # noqa: SLF001 # the runtime's side of it
    return {kind: _limited(method, seconds) for kind, method in methods.items()}


def _limited(method: Method, seconds: float) -> Method:
    def limit(instance: Any, message: Any) -> Any:
        result = method(instance, message)
        context = instance._context  # noqa: SLF001 # the runtime's side of it
        if type(result) is not CoroutineType or context is None or context.event_id is None:
            return result
        return _within(result, instance, message, seconds)

    return limit


async def _within(handler: Coroutine[Any, Any, Any], instance: object, message: object, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds) as scope:
            return await handler
    except TimeoutError:
        if not scope.expired():  # the handler's own
            raise
        raise HandlerTimeoutError(type(instance).__name__, type(message).__name__, seconds) from None
