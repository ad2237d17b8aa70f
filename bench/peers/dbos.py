"""Workflows of three steps that do nothing, by DBOS (`pip install 'postroom[bench-peers]'`)."""

from __future__ import annotations

from bench.peers.process import measure_peer

COUNT = 2_000
QUICK_COUNT = 100


async def measure_dbos(url: str, *, quick: bool) -> float | None:
    """How many workflows a second are run to a recorded end, or None where it is not installed."""
    figures = await measure_peer("dbos", "bench.peers.dbos_workflows", url, QUICK_COUNT if quick else COUNT)
    return None if figures is None else figures[0]
