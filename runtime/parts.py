"""The runtime's own parts as children in the supervision tree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from actors.context import Clock
from runtime.supervision.child import OnExit
from runtime.supervision.task import TaskChild
from runtime.tree import TreeNode

Step = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """A step that does not apply."""


async def for_ever() -> None:
    """Work that is done by others while the part is open."""
    await asyncio.Event().wait()


PART_NAMES = frozenset(
    (
        *(
            "postgres",
            "store",
            "retention",
            "journal",
            "delays",
            "aborts",
            "replays",
            "outbox",
            "refill",
            "watermarks",
            "suspects",
        ),
        *("pulse", "policies", "portions", "services", "extensions", "schedules", "members", "moves", "http"),
    )
)
"""Names of the runtime's own parts."""


class Part:
    """A part with a beginning, work, and an end.

    A life is: `opening`, whose failure is a failed start; `work`, whose return or failure ends the life; `closing`,
    always. A stop asked for lets `draining` finish first, within the shutdown time.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        work: Step = for_ever,
        opening: Step = nothing,
        draining: Step = nothing,
        closing: Step = nothing,
        detail: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.name = name
        self._opening = opening
        self._draining = draining
        self._closing = closing
        self._task = TaskChild(name, work, clock=clock, detail=detail)
        self._open = False

    async def start(self, on_exit: OnExit) -> None:
        if self._open:
            await self._close()
        self._open = True
        try:
            await self._opening()
        except BaseException:
            await self._close()
            raise
        await self._task.start(on_exit)

    async def stop(self, shutdown_seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + shutdown_seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._draining()
        except TimeoutError:
            pass  # the work is cancelled with what it still had to do
        finally:
            await self._task.stop(max(0.0, deadline - asyncio.get_running_loop().time()))
            await self._close()

    def node(self) -> TreeNode:
        return self._task.node()

    async def _close(self) -> None:
        if self._open:
            self._open = False
            await self._closing()
