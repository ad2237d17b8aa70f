"""Runs the Erlang side of a case, where Erlang is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files

import msgspec

from actors import PostroomError

LIMIT_SECONDS = 120


class ErlangFailedError(PostroomError):
    """Erlang is installed, but its benchmark ended without a measurement."""


class ErlangMeasurement(msgspec.Struct, frozen=True):
    """What one run found. `p99` is of calls, `bytes` of spawned processes; 0 where it does not apply."""

    seconds: float
    p99: float
    bytes: float


def erlang_installed() -> bool:
    return shutil.which("erl") is not None


def measure_erlang(case: str, count: int) -> ErlangMeasurement:
    """Run a case of `actors.erl` in a virtual machine with one scheduler, as one event loop has one thread.

    Raises:
        ErlangFailedError: it could not be compiled or run; what it had to say is in the error.
    """
    with tempfile.TemporaryDirectory(prefix="postroom-erlang-") as folder:
        with as_file(files(__package__) / "actors.erl") as source:
            _run("erlc", "-o", folder, str(source))
        line = _run("erl", "-noshell", "+S", "1", "-pa", folder, "-run", "actors", "main", case, str(count))
    return msgspec.json.decode(line, type=ErlangMeasurement)


def _run(program: str, *arguments: str) -> bytes:
    ended = subprocess.run(  # noqa: S603 # our own source
        [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS, check=False
    )
    if ended.returncode:
        said = (ended.stdout + ended.stderr).decode(errors="replace").strip().replace("\n", " ")
        raise ErlangFailedError(f"{program} failed with exit code {ended.returncode}: {said}")
    return ended.stdout
