"""Jobs that do nothing, and small tenants behind a large one, by PgQueuer (`pip install 'postroom[bench-peers]'`)."""

from __future__ import annotations

from bench.peers.process import measure_peer

COUNT = 20_000
QUICK_COUNT = 2_000


async def measure_pgqueuer(url: str, *, quick: bool) -> float | None:
    """How many waiting jobs a second it takes to their end, or None where it is not installed."""
    figures = await measure_peer("pgqueuer", "bench.peers.pgqueuer_drain", url, QUICK_COUNT if quick else COUNT)
    return None if figures is None else figures[0]


async def measure_pgqueuer_neighbour(url: str, large_jobs: int) -> list[float] | None:
    """Seconds that the case `noisy-neighbour` takes it in all, and that small tenants wait (p99)."""
    return await measure_peer("pgqueuer", "bench.peers.pgqueuer_neighbour", url, large_jobs)
