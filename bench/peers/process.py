"""A peer's process: it does its work and prints figures, by default how much of it a second."""

from __future__ import annotations

import asyncio
import importlib.util
import sys

from actors import PostroomError


class PeerFailedError(PostroomError):
    """The process of a peer ended without a result."""


async def measure_peer(package: str, module: str, url: str, count: int) -> list[float] | None:
    """The figures that `python -m MODULE URL COUNT` prints, or None where the peer's package is not installed."""
    if importlib.util.find_spec(package) is None:
        return None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", module, url, str(count)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise PeerFailedError(f"{package} ended with exit code {process.returncode}; see its output above")
    return [float(figure) for figure in output.split()]
