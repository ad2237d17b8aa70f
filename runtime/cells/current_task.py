"""Which task asyncio holds for the current one, where a handler begins in another task's turn."""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks
from typing import Any

Task = asyncio.Task[Any]

if sys.version_info >= (3, 12):
    swap_current_task = tasks._swap_current_task  # type: ignore[attr-defined] # what eager tasks use
else:
    _current = tasks._current_tasks  # type: ignore[attr-defined] # no call swaps them before 3.12

    def swap_current_task(loop: asyncio.AbstractEventLoop | None, task: Task | None) -> Task | None:
        """Make `task` the current one of a loop and return the one that was."""
        before: Task | None = _current.get(loop)
        if task is None:
            del _current[loop]
        else:
            _current[loop] = task
        return before
