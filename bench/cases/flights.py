"""The month of flights, from the first enqueue to the last outcome on disk."""

from __future__ import annotations

import gzip
import tempfile
from itertools import islice
from pathlib import Path

from bench.case import Measurement, Metric, Value, peak_rss_bytes
from bench.demo import MONTH
from bench.flights import SERVICE, app
from bench.flights_csv import check_flights
from bench.launch import launch
from bench.replay import CHUNK, begin_replay, run_replay
from bench.report import Report, make_report
from runtime import Settings

QUESTION = "How long does the runtime take for a month of real flights, and how much memory?"
QUICK_FLIGHTS = 1000


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        source = _first_flights(Path(folder), QUICK_FLIGHTS) if quick else MONTH
        report = launch(_replay(source, Path(folder, "data")))
    assert report.lost == 0, f"{report.lost} events were lost"
    return Measurement(
        [
            Metric("seconds", report.seconds, "s"),
            Metric("events_per_second", round(report.accepted / report.seconds, 1), "events/s"),
            Metric("peak_rss", peak_rss_bytes(), "bytes"),
        ],
        _settings(report),
    )


async def _replay(path: Path, data_dir: Path) -> Report:
    source = check_flights(path)
    async with app.running(Settings(data_dir=data_dir)) as running:
        replay = await begin_replay(running.database, source, running.last_seq)
        seconds = await run_replay(running, replay, source)
        return await make_report(running.database, replay, flights=source.flights, seconds=seconds)


def _first_flights(folder: Path, flights: int) -> Path:
    path = folder / "flights.csv"
    with gzip.open(MONTH, "rt", encoding="utf-8") as month:
        path.write_text("".join(islice(month, flights + 1)), encoding="utf-8")
    return path


def _settings(report: Report) -> dict[str, Value]:
    service = app.services[SERVICE]
    return {
        "database": "embedded",
        "events": report.accepted,
        "enqueue_chunk": CHUNK,
        "slots": service.slots,
        "service_chunk": service.chunk_size,
    }
