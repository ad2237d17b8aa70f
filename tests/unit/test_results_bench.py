from __future__ import annotations

import pytest

from bench.results import readable, results_table
from bench.runner import Result


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (136_482.3, "events/s", ("136,482", "events/s")),
        (0.0011823, "s", ("1.18", "ms")),
        (0.49, "s", ("490", "ms")),
        (3.2e-6, "s", ("3.20", "µs")),
        (12.34, "s", ("12.3", "s")),
        (13_705_216.0, "bytes", ("13.7", "MB")),
        (-69_464_064.0, "bytes", ("-69.5", "MB")),
        (0.0, "bytes", ("0.000", "bytes")),
        (0.5312, "x of raw COPY", ("0.531", "x of raw COPY")),
    ],
)
def test_a_number_is_shown_as_people_read_it(value: float, unit: str, shown: tuple[str, str]) -> None:
    assert readable(value, unit) == shown


def test_a_case_is_named_once() -> None:
    results = [Result("latency", metric, 1.0, "s", 1, {}) for metric in ("p50", "p99")]
    results.append(Result("backlog", "rate", 1.0, "events/s", 1, {}))
    made = results_table(results)
    assert list(made.columns[0].cells) == ["latency", "", "backlog"]
    assert list(made.columns[1].cells) == ["p50", "p99", "rate"]
