"""The same work by others, on the same server, in a process of its own. One that is not installed is skipped."""

from bench.peers.dbos import measure_dbos
from bench.peers.pgqueuer import measure_pgqueuer, measure_pgqueuer_neighbour

__all__ = ["measure_dbos", "measure_pgqueuer", "measure_pgqueuer_neighbour"]
