"""What a benchmark case is: a module of `bench.cases` with a `QUESTION` and a `measure`. A new case is one new file."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import msgspec

import bench.cases
from actors import PostroomError

PROCESS_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)

Value = str | int | float | bool


class UnknownCaseError(PostroomError):
    """No case has that name."""


class Metric(msgspec.Struct, frozen=True):
    """One number that a case found. `settings` are what it depends on beside the case's own."""

    metric: str
    value: float
    unit: str
    settings: dict[str, Value] = {}


class Measurement(msgspec.Struct, frozen=True):
    """What one run of a case found, and under which settings."""

    metrics: list[Metric]
    settings: dict[str, Value]


class Case(Protocol):
    """The module of a case."""

    QUESTION: str
    """What its numbers answer, in one line."""
    measure: Callable[[bool], Measurement]
    """Runs once, in a process of its own. True asks for an iteration of a second or so, to see that it works."""


def case_names() -> list[str]:
    """A case is named as its file, with hyphens."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(bench.cases.__path__))


def load_case(name: str) -> Case:
    """The case of that name. Raises UnknownCaseError."""
    if name not in case_names():
        raise UnknownCaseError(f"no benchmark is named {name!r}; there are: {', '.join(case_names())}")
    return cast("Case", importlib.import_module(f"bench.cases.{name.replace('-', '_')}"))


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far.

    Not `ru_maxrss` on Linux: that one starts at what the parent held when it started this process.
    """
    if PROCESS_STATUS.exists():
        found = _PEAK.search(PROCESS_STATUS.read_text())
        assert found is not None
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine_settings() -> dict[str, Value]:
    """What every number depends on."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": available_cpus(),
    }


def available_cpus() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
