"""The flights app: every flight is an event, every airline a tenant, every aircraft a key."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta

from actors import Actor, Backoff, Metadata, PostroomError, RetryPolicy
from runtime.app import App
from runtime.store.sql import DEFAULT_SCHEMA, load_statements

SERVICE = "arrivals"
CHUNK_SIZE = 100
SQL = load_statements(files("bench").joinpath("sql"), DEFAULT_SCHEMA)

Code = Annotated[str, Meta(pattern="^[A-Z0-9]{2,3}$")]
"""An airline or an airport, as IATA writes it."""
Clock = Annotated[int, Meta(ge=0, le=2400)]
"""Local time of day as HHMM."""
Delay = Annotated[int, Meta(ge=-1440, le=14400)]
"""Minutes late; negative is early."""


class MissingArrivalError(PostroomError):
    """A flight has no arrival delay: it was cancelled or diverted, or nobody wrote it down."""


class Flight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One scheduled flight, with the columns of the nycflights13 data set."""

    year: Annotated[int, Meta(ge=1900, le=2100)]
    month: Annotated[int, Meta(ge=1, le=12)]
    day: Annotated[int, Meta(ge=1, le=31)]
    dep_time: Clock | None = None
    sched_dep_time: Clock
    dep_delay: Delay | None = None
    arr_time: Clock | None = None
    sched_arr_time: Clock
    arr_delay: Delay | None = None
    carrier: Code
    flight: Annotated[int, Meta(ge=1, le=99999)]
    tailnum: Annotated[str, Meta(pattern="^[A-Z0-9]{1,10}$")] | None = None
    origin: Code
    dest: Code
    air_time: Annotated[int, Meta(ge=0, le=2880)] | None = None
    """Minutes in the air."""
    distance: Annotated[int, Meta(ge=0, le=25000)]
    """Miles."""
    hour: Annotated[int, Meta(ge=0, le=24)]
    minute: Annotated[int, Meta(ge=0, le=59)]
    time_hour: Annotated[datetime, Meta(tz=True)]

    @property
    def aircraft(self) -> str:
        """The key: the tail number, or airline and flight number where nobody wrote it down."""
        return self.tailnum or f"{self.carrier}{self.flight}"


class Arrivals(Actor):
    """Records arrivals and keeps a running figure for each aircraft, both in the transaction of the event."""

    async def arrived(self, flight: Flight) -> None:
        if flight.arr_delay is None:
            raise MissingArrivalError(
                f"{flight.carrier} {flight.flight} from {flight.origin} to {flight.dest} on"
                f" {flight.year}-{flight.month:02}-{flight.day:02} has no arr_delay: it was cancelled or diverted;"
                " replay it with --set arr_delay=MINUTES, or discard it"
            )
        await self.db.execute(
            SQL["record_arrival"],
            self.ctx.event_id,
            flight.carrier,
            flight.aircraft,
            flight.flight,
            flight.tailnum,
            flight.origin,
            flight.dest,
            flight.time_hour,
            flight.distance,
            flight.dep_delay,
            flight.arr_delay,
        )


def flights_app(chunk_size: int = CHUNK_SIZE) -> App:
    """The app, with so many events to a transaction: fewer are slower, and keep nobody waiting for as long."""
    made = App("flights")
    made.tables(SQL["tables"])
    made.service(
        SERVICE,
        Arrivals,
        keyed=True,
        slots=4,
        chunk_size=chunk_size,
        retry=RetryPolicy(attempts=3, backoff=Backoff(initial_seconds=0.02, max_seconds=0.1)),
        metadata=Metadata(
            label="Arrivals", description="Records each arrival and the delay of its aircraft", owner="ops"
        ),
    )
    return made


app = flights_app()
