"""Far more events than memory holds: what they cost while they wait, and how fast they go."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.case import Measurement
from bench.durable import CHUNK, measurement
from bench.durable_child import Drained
from bench.loops import loop_name

QUESTION = "What do a million waiting events cost in memory and speed, beside ten thousand?"
VARIABLE = "POSTROOM_BENCH_BACKLOG"
"""How many events the large backlog has."""
LARGE = 1_000_000
SMALL = 10_000
STEADY = 100_000
"""The small backlog for the comparison of speed: ten thousand are gone before the rate is steady."""


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    large_count = 20_000 if quick else int(os.environ.get(VARIABLE, LARGE))
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        small = _run(Path(folder), SMALL)
        steady = small if quick else _run(Path(folder), STEADY)
        large = _run(Path(folder), large_count)
    return measurement(
        {
            "rate": (large.rate, "events/s"),
            "ratio": (large.rate / steady.rate, "x of the small backlog's rate"),
            "waiting_bytes": (float(large.waiting_bytes), "bytes"),
            "waiting_bytes_more": (float(large.waiting_bytes - small.waiting_bytes), "bytes"),
            "peak_bytes_more": (float(large.peak_bytes - steady.peak_bytes), "bytes"),
        },
        loop=loop_name(),
        events=large_count,
        small_events=SMALL,
        steady_events=STEADY,
        service_chunk=CHUNK,
    )


def _run(folder: Path, count: int) -> Drained:
    """Leave events waiting, then handle them in another process."""
    _child("fill", folder, count)
    return msgspec.json.decode(_child("drain", folder, count), type=Drained)


def _child(work: str, folder: Path, count: int) -> bytes:
    command = [sys.executable, "-P", "-m", "bench.durable_child", work, str(folder), str(count)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
