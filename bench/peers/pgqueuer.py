"""Waiting jobs that do nothing, by PgQueuer (`pip install 'postroom[bench-peers]'`)."""

from __future__ import annotations

from bench.peers.process import measure_peer

COUNT = 20_000
QUICK_COUNT = 2_000


async def measure_pgqueuer(url: str, *, quick: bool) -> float | None:
    """How many waiting jobs a second it takes to their end, or None where it is not installed."""
    return await measure_peer("pgqueuer", "bench.peers.pgqueuer_drain", url, QUICK_COUNT if quick else COUNT)
