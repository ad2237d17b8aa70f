"""What a package brings to an app beside services, tables and commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from runtime.http.route import Route

if TYPE_CHECKING:
    from runtime.running import Running


class Extension(Protocol):
    """Plugged in by `App.extend`. Commands come through the entry-point group `postroom.commands`."""

    @property
    def routes(self) -> Sequence[Route]:
        """Served below `/v1`, and described in the OpenAPI document, like the runtime's own."""
        ...

    async def started(self, running: Running) -> None:
        """Run when the services run, before HTTP is served; again when this part is restarted.

        An exception is a failed start.
        """
        ...
