"""A process is killed while events wait; the next one takes over."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.case import Measurement
from bench.durable import measurement
from bench.loops import loop_name

QUESTION = "How long after kill -9 does a new process handle the first of 100,000 waiting events?"
END_SECONDS = 60.0


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    count = 5_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        first = _start(Path(folder), count)
        _wait(first, "waiting")
        first.kill()
        began = time.monotonic()
        first.wait(END_SECONDS)
        second = _start(Path(folder), 0)
        _wait(second, "serving")
        seconds = time.monotonic() - began
        second.communicate(timeout=END_SECONDS)
    return measurement({"seconds": (seconds, "s")}, loop=loop_name(), events=count, killed="process")


def _start(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "bench.durable_child", "serve", str(folder), str(count)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)  # noqa: S603 # our own


def _wait(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == word, f"the process said {line!r} instead of {word!r}"
