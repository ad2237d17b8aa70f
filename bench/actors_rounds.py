"""Measures work with actors beside its limit: each several times in turn, so that both meet the same machine."""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bench.case import Measurement, Metric, Value
from bench.erlang.run import ErlangMeasurement, erlang_installed, measure_erlang
from bench.loops import loop_name, run_on

ROUNDS = 3
WARM_UP = 1_000

Work = Callable[[int], Coroutine[Any, Any, float]]
"""Does so many operations; returns what it measured, mostly operations per second."""


class NotYetError(Exception):
    """The runtime lacks what a case is about."""


class Rounds:
    """One run of a case: its count, its loop, and what was found so far."""

    def __init__(self, *, count: int, quick_count: int, quick: bool) -> None:
        self.count = quick_count if quick else count
        self.loop = loop_name()
        self._rounds = 1 if quick else ROUNDS
        self._metrics: list[Metric] = []
        self._settings: dict[str, Value] = {"loop": self.loop, "count": self.count}

    def compare(self, work: Work, limit: Work, *, suffix: str = "") -> None:
        """Measure work and limit in turn: metrics `rate`, `limit` and `ratio`, which is the first by the second."""
        self._once(work, WARM_UP)
        pairs = [(self._once(limit, self.count), self._once(work, self.count)) for _ in range(self._rounds)]
        self.add(f"rate{suffix}", statistics.median(rate for _, rate in pairs), "op/s")
        self.add(f"limit{suffix}", statistics.median(bound for bound, _ in pairs), "op/s")
        self.add(f"ratio{suffix}", statistics.median(rate / bound for bound, rate in pairs), "x")
        self._settings[f"limit{suffix}"] = getattr(limit, "__name__", "")

    def measure(self, metric: str, unit: str, work: Work, *, count: int | None = None) -> None:
        """Measure something else, without a limit."""
        values = [self._once(work, count or self.count) for _ in range(self._rounds)]
        self.add(metric, statistics.median(values), unit)

    def erlang(self, case: str) -> ErlangMeasurement | None:
        """Measure the same work in Erlang: metric `erlang_rate`. Where Erlang is missing, the settings say so."""
        if not erlang_installed():
            self._settings["erlang"] = "skipped: not installed"
            return None
        found = measure_erlang(case, self.count)
        self.add("erlang_rate", self.count / found.seconds, "op/s")
        return found

    def add(self, metric: str, value: float, unit: str) -> None:
        self._metrics.append(Metric(metric, value, unit))

    def note(self, setting: str, value: Value) -> None:
        self._settings[setting] = value

    def result(self) -> Measurement:
        return Measurement(self._metrics, self._settings)

    def _once(self, work: Work, count: int) -> float:
        gc.collect()
        return run_on(self.loop, work(count))


def skipped(case: str, reason: NotYetError) -> Measurement:
    """No metrics, and a word on stderr why."""
    sys.stderr.write(f"{case}: skipped: {reason}\n")
    return Measurement([], {"skipped": str(reason)})
