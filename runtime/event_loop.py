"""Which event loop the commands run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where there is one; None stands for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 # there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
