"""A steady load for a long time: memory must stay flat, the lag must not grow, history must not pile up."""

from __future__ import annotations

import logging
import os
import statistics
from collections.abc import Callable, Sequence

from bench.case import Measurement
from bench.durable import CHUNK, database, measurement
from bench.durable_soak import RETRIED, Sample, Soak, kept_seconds, soak_app, soak_settings
from bench.loops import loop_name, run_on

QUESTION = "Do memory, lag and tables stay where they are under half the highest rate?"
MINUTES_VARIABLE = "POSTROOM_BENCH_SOAK_MINUTES"
"""For how long; a fraction is allowed."""
RATE_VARIABLE = "POSTROOM_BENCH_SOAK_RATE"
"""Events a second, instead of half the highest rate, which is measured first."""
MINUTES = 1.0
QUICK_MINUTES = 0.1
FINDING_PART = 0.05
"""For how long the highest rate is measured, as a part of the whole time, within these seconds."""
FINDING_SECONDS = (2.0, 10.0)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    logging.getLogger("postroom").setLevel(logging.ERROR)  # events that fail on purpose
    minutes = QUICK_MINUTES if quick else float(os.environ.get(MINUTES_VARIABLE, MINUTES))
    return run_on(loop_name(), _measure(minutes * 60.0))


async def _measure(seconds: float) -> Measurement:
    least, most = FINDING_SECONDS
    async with database() as url, (app := soak_app()).running(soak_settings(url, seconds)) as started:
        soak = Soak(app, started, seconds)
        highest = await soak.highest_rate(min(max(seconds * FINDING_PART, least), most))
        rate = float(os.environ.get(RATE_VARIABLE) or highest / 2)
        events = await soak.run(rate)
    samples = soak.samples
    return measurement(
        {
            "rate": (events / seconds, "events/s"),
            "highest_rate": (highest, "events/s"),
            "lag_p50": (soak.lags.quantile(0.5), "s"),
            "lag_p99": (soak.lags.quantile(0.99), "s"),
            "lag_growth": (_growth(samples, lambda sample: sample.lag_p50), "s"),
            "rss_growth": (_growth(samples, lambda sample: sample.resident_bytes), "bytes"),
            "table_growth": (_growth(samples, lambda sample: sample.table_bytes), "bytes"),
            "table_bytes": (float(max(sample.table_bytes for sample in samples)), "bytes"),
            "partitions": (float(max(sample.partitions for sample in samples)), "tables"),
        },
        loop=loop_name(),
        events=events,
        seconds=seconds,
        kept_seconds=kept_seconds(seconds),
        service_chunk=CHUNK,
        retried=RETRIED,
    )


def _growth(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """From the second quarter of the time, when history has begun to be dropped, to the last: difference of medians."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return statistics.median(map(value, late)) - statistics.median(map(value, early))
