"""One line of the route table, and one request to it, decoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from runtime.http.requests import NoQuery
from runtime.operations import Operations
from runtime.views import Health


class Call(msgspec.Struct, frozen=True):
    """One request, decoded. `query` and `body` are of the classes that the route names."""

    operations: Operations
    health: Health
    document: Callable[[], dict[str, Any]]
    """Makes the OpenAPI document of all routes."""
    path: Mapping[str, str]
    query: Any
    body: Any


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table from which both the router and the OpenAPI document are made.

    `answers` says what each status carries; `errors` which statuses of failure can come beside the common ones.
    """

    method: str
    path: str
    summary: str
    handle: Callable[[Call], Awaitable[tuple[int, object]]]
    answers: Mapping[int, type]
    query: type = NoQuery
    body: type | None = None
    errors: tuple[int, ...] = ()
