"""Runs the flights of January 2013 as sagas: `python -m bench.trips --limit 1000 --saga flight-code`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import islice
from pathlib import Path

import click

from bench.demo import MONTH
from bench.flight_sagas import SEATS, Trip, app, sagas
from bench.flights import Flight
from bench.flights_csv import read_flights
from bench.launch import launch
from runtime import Running, Settings
from runtime.cli.output import examples, show, table

STARTERS = 50
SECONDS_PER_HOUR = 3600


@click.command(epilog=examples("python -m bench.trips", "python -m bench.trips --limit 2000 --saga flight-code"))
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many flights.")
@click.option("--saga", type=click.Choice(["flight", "flight-code"]), default="flight", show_default=True)
def main(limit: int, saga: str) -> None:
    """Run real flights as sagas, on a server of their own that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="postroom-trips-") as folder:
        launch(run(Path(folder), limit, saga))


async def run(folder: Path, limit: int, saga: str) -> None:
    trips = {trip.flight: trip for trip in map(trip_of, islice(read_flights(MONTH), limit))}
    async with app.running(Settings(data_dir=folder)) as running:
        await add_seats(running, list(trips.values()))
        began = time.perf_counter()
        rest = iter(trips.values())

        async def start() -> None:
            for trip in rest:
                await sagas.start(saga, trip, tenant=trip.carrier, id=trip.flight)

        await asyncio.gather(*(start() for _ in range(STARTERS)))
        for flight in trips:
            assert (await sagas.wait(flight)).status == "completed"
        seconds = f"{time.perf_counter() - began:.1f}"
        show(table(("what", "how many"), [*await counts(running), ("seconds", seconds)]))


async def add_seats(running: Running, trips: list[Trip]) -> None:
    rows = [(trip.flight, trip.carrier, trip.dest, trip.hour, SEATS) for trip in trips if trip.minutes is not None]
    await running.database.executemany("INSERT INTO trip_seats VALUES ($1, $2, $3, $4, $5)", rows)


async def counts(running: Running) -> list[tuple[str, int]]:
    row = await running.database.fetchrow(
        "SELECT (SELECT count(*) FROM trip_arrival), (SELECT count(*) FROM trip_notice),"
        " (SELECT count(*) FROM trip_booking), (SELECT sum($1 - free) FROM trip_seats)",
        SEATS,
    )
    assert row is not None
    names = ("flights recorded", "connections missed and told", "rebooked", "seats taken")
    return list(zip(names, row.values(), strict=True))


def trip_of(flight: Flight) -> Trip:
    hour = int(flight.time_hour.timestamp()) // SECONDS_PER_HOUR
    name = f"{flight.carrier}{flight.flight}-{flight.origin}-{flight.month:02}{flight.day:02}"
    return Trip(name, flight.carrier, flight.dest, hour, flight.arr_delay)


if __name__ == "__main__":
    main()
