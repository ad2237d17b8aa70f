"""What became of a replay: the totals, and one row for each airline."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec
from rich.table import Table

from actors import Database
from bench.flights import SQL
from bench.replay import Replay
from bench.small_airlines import SMALLEST, SmallAirlines, Wait, small_airlines


class Airline(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant. Waits are from acceptance to the start of the first attempt, in milliseconds."""

    carrier: str
    name: str
    events: int
    done: int
    dead_letters: int
    mean_delay_minutes: float | None
    wait_p50_ms: float | None
    wait_p99_ms: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole replay. `lost` is how many flights of the input have no final outcome; `seconds` is of this run."""

    accepted: int
    done: int
    dead_letters: int
    lost: int
    seconds: float
    resumed: bool
    airlines: list[Airline]
    small: SmallAirlines | None = None
    """Of a replay at a pace."""


async def make_report(
    database: Database, replay: Replay, *, flights: int, seconds: float, speed: float | None = None
) -> Report:
    """Read back what the database holds: nothing is taken from counters in memory."""
    names = airline_names()
    rows = await database.fetch(SQL["airlines"], *replay.id_range)
    airlines = [msgspec.convert({**row, "name": names.get(row["carrier"], "")}, Airline) for row in rows]
    done = sum(airline.done for airline in airlines)
    dead = sum(airline.dead_letters for airline in airlines)
    return Report(
        accepted=sum(airline.events for airline in airlines),
        done=done,
        dead_letters=dead,
        lost=flights - done - dead,
        seconds=round(seconds, 3),
        resumed=replay.resumed,
        airlines=airlines,
        small=None if speed is None else await _small_airlines(database, replay, airlines),
    )


async def _small_airlines(database: Database, replay: Replay, airlines: Sequence[Airline]) -> SmallAirlines:
    *smaller, largest = [each.carrier for each in sorted(airlines, key=lambda each: each.events)]
    smallest = smaller[:SMALLEST]
    rows = await database.fetch(SQL["waits"], *replay.id_range, [*smallest, largest])
    return small_airlines(largest, smallest, [Wait(**row) for row in rows])


@cache
def airline_names() -> dict[str, str]:
    """The airlines' names by their codes."""
    text = files("bench").joinpath("data", "airlines.csv").read_text(encoding="utf-8")
    return {row["carrier"]: row["name"] for row in csv.DictReader(text.splitlines())}


def airlines_table(airlines: Sequence[Airline]) -> Table:
    """The report for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("airline", "name"):
        table.add_column(heading, no_wrap=True)
    for heading in ("events", "done", "dead", "mean delay", "wait p50", "wait p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in airlines:
        table.add_row(
            each.carrier,
            each.name,
            f"{each.events:,}",
            f"{each.done:,}",
            f"{each.dead_letters:,}",
            _shown(each.mean_delay_minutes, "min"),
            _shown(each.wait_p50_ms, "ms"),
            _shown(each.wait_p99_ms, "ms"),
        )
    return table


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:,.1f} {unit}"
