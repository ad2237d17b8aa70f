"""Waiting jobs that do nothing, by PgQueuer (`pip install 'postroom[bench-peers]'`)."""

from __future__ import annotations

import asyncio
import importlib.util
import sys

from actors import PostroomError

COUNT = 20_000
QUICK_COUNT = 2_000


class PeerFailedError(PostroomError):
    """The process of a peer ended without a result."""


async def measure_pgqueuer(url: str, *, quick: bool) -> float | None:
    """How many waiting jobs a second it takes to their end, or None where it is not installed."""
    if importlib.util.find_spec("pgqueuer") is None:
        return None
    count = QUICK_COUNT if quick else COUNT
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "bench.peers.pgqueuer_drain", url, str(count)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise PeerFailedError(f"PgQueuer ended with exit code {process.returncode}; see its output above")
    return float(output.split()[-1])
