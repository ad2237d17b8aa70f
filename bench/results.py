"""Results for people: a case's metrics below each other, its ratios among them, in units that can be read."""

from __future__ import annotations

from rich.table import Table

from bench.runner import Result
from runtime.cli.output import table

SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))
SCALES = {"s": SECONDS, "bytes": BYTES}


def results_table(results: list[Result]) -> Table:
    """One row for each metric; a case is named in its first."""
    made = table(["benchmark", "metric", "value", "unit", "n"], [], whole=["benchmark", "metric", "value"])
    made.columns[2].justify = "right"
    before = None
    for result in results:
        value, unit = readable(result.value, result.unit)
        case, before = "" if result.case == before else result.case, result.case
        made.add_row(case, _label(result, results), value, unit, str(result.n))
    return made


def readable(value: float, unit: str) -> tuple[str, str]:
    """A number of at least three digits, and its unit."""
    scales = SCALES.get(unit)
    if scales and value:
        factor, unit = next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])
        value /= factor
    digits = max(0, 2 - len(f"{abs(value):.0f}") + 1) if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}", unit


def _label(result: Result, results: list[Result]) -> str:
    """A metric's name, with the settings by which it differs from others of that name."""
    twins = [each for each in results if (each.case, each.metric) == (result.case, result.metric)]
    apart = [
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in result.settings.items()
        if any(twin.settings.get(name) != value for twin in twins)
    ]
    return f"{result.metric} ({', '.join(apart)})" if apart else result.metric
