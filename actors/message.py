"""Messages: what actors are sent. Typed ones are `msgspec.Struct`s, dynamic ones plain dicts of JSON values."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast, get_args, get_origin

import msgspec

R = TypeVar("R")

Message = msgspec.Struct | dict[str, Any]
"""Anything an actor can be sent."""

DYNAMIC = ""
"""The message name of a dynamic event."""


class Request(msgspec.Struct, Generic[R]):
    """Base of messages that are answered: `class GetBalance(Request[int])` is answered with an int."""


class Terminated(msgspec.Struct, frozen=True):
    """Tells an actor that one it watches has stopped and will not be restarted. `reason` is None for an orderly end."""

    path: str
    reason: str | None = None


class ReceiveTimeout(msgspec.Struct, frozen=True):
    """Tells an actor that it has handled nothing for `seconds`."""

    seconds: float


def message_name(kind: type) -> str:
    """The name under which messages of a class are stored: its own, or empty for dict."""
    return DYNAMIC if kind is dict else kind.__name__


def reply_type(kind: type) -> object | None:
    """What a request class is answered with, or None if the class is no request."""
    if not issubclass(kind, Request):
        return None
    for base in getattr(kind, "__orig_bases__", ()):
        origin = get_origin(base)
        if origin is Request:
            return cast("object", get_args(base)[0])
        if isinstance(origin, type) and issubclass(origin, Request):
            return reply_type(origin)
    parents = [base for base in kind.__bases__ if issubclass(base, Request) and base is not Request]
    return reply_type(parents[0]) if parents else Any
