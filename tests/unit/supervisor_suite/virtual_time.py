"""An event loop whose time passes as fast as there is nothing to do, and stops dead where all would wait for ever."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec

P = ParamSpec("P")


class StuckError(Exception):
    """Everything waits, and no timer will wake anything."""


class _Selector(selectors.SelectSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError
        self.passed += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return 100.0 + self._virtual.passed


class VirtualClock:
    """The time of the loop that runs."""

    def now(self) -> float:
        return 1e9 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def on_virtual_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test on such a loop; it fails if it leaves a task behind."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(_alone(test, args, kwargs))

    return run


async def _alone(test: Callable[..., Awaitable[None]], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    await test(*args, **kwargs)
    assert_alone()


def assert_alone() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks are left: {sorted(task.get_name() for task in left)}"


async def rest() -> None:
    """Let everything that can happen now happen; a thousandth of a second passes."""
    await asyncio.sleep(0.001)
