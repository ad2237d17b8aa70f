"""Runs cases in fresh processes and takes medians over the repetitions."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from actors import PostroomError
from bench.case import Measurement, Value, load_case, machine_settings
from bench.worker import QUICK


class CaseFailedError(PostroomError):
    """The process of a case ended without a measurement."""


class Result(msgspec.Struct, frozen=True):
    """One metric of one case: the median of `n` repetitions, each in a process of its own."""

    case: str
    metric: str
    value: float
    unit: str
    n: int
    settings: dict[str, Value]


def run_case(name: str, *, quick: bool, repeat: int) -> list[Result]:
    """Measure a case `repeat` times.

    Raises:
        UnknownCaseError: there is no such case.
        CaseFailedError: its process failed; what it had to say went to stderr.
    """
    load_case(name)
    return medians(name, [_measure_once(name, quick=quick) for _ in range(repeat)], quick=quick)


def medians(name: str, measurements: Sequence[Measurement], *, quick: bool) -> list[Result]:
    """One result for each metric. All measurements of a case have the same metrics."""
    settings = {**machine_settings(), "quick": quick, **measurements[0].settings}
    columns = zip(*(measurement.metrics for measurement in measurements), strict=True)
    return [
        Result(
            case=name,
            metric=column[0].metric,
            value=statistics.median(metric.value for metric in column),
            unit=column[0].unit,
            n=len(column),
            settings={**settings, **column[0].settings},
        )
        for column in columns
    ]


def _measure_once(name: str, *, quick: bool) -> Measurement:
    # -P: a folder named bench in the current directory must not stand in for this package
    command = [sys.executable, "-P", "-m", "bench.worker", name, *([QUICK] if quick else [])]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)  # noqa: S603 # our own
    if ended.returncode:
        raise CaseFailedError(f"the benchmark {name!r} failed with exit code {ended.returncode}; see its output above")
    return msgspec.json.decode(ended.stdout, type=Measurement)
