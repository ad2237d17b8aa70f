"""Which task asyncio holds for the current one, where a handler begins in another task's turn.

`CURRENT_TASKS[loop] = task` makes it that, `current_task_of(loop)` says which one it is. Items of a dict, as a function
in Python that did both would take a tenth of a whole ask.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks
from collections.abc import Callable
from typing import Any

Task = asyncio.Task[Any]
Loop = asyncio.AbstractEventLoop | None

if sys.version_info >= (3, 14):

    class _CurrentTasks:
        """What was a dict up to 3.13."""

        def __setitem__(self, loop: Loop, task: Task) -> None:
            tasks._swap_current_task(loop, task)  # what eager tasks use

    CURRENT_TASKS = _CurrentTasks()
    current_task_of: Callable[[Loop], Task | None] = asyncio.current_task
else:
    CURRENT_TASKS: dict[Loop, Task] = tasks._current_tasks  # type: ignore[attr-defined] # no call swaps them in 3.11
    current_task_of: Callable[[Loop], Task | None] = CURRENT_TASKS.get
