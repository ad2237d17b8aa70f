"""Flights as sagas: an arrival, the rule for delays, another flight where the connection was missed, a notice.

The same flow twice over the same services: `flight` as a definition, `flight-code` as code.
"""

from __future__ import annotations

import msgspec

from actors import Actor, Metadata
from runtime import App
from sagas import Flow, Revoke, Saga, Sagas, undo

MISSED_MINUTES = 45
"""Who arrives later than this misses the connection."""
SEATS = 3
"""Free seats of each flight, for those who missed another."""


class Trip(msgspec.Struct):
    """One flight with a passenger who goes on. `minutes` late; None for a flight that never came."""

    flight: str
    carrier: str
    dest: str
    hour: int
    minutes: int | None = None


class Arrived(msgspec.Struct):
    flight: str
    minutes: int | None


class Verdict(msgspec.Struct):
    missed: bool


class Rebook(msgspec.Struct):
    carrier: str
    dest: str
    after: int
    missed: str


class GiveBack(msgspec.Struct):
    missed: str


class Seat(msgspec.Struct):
    """`flight` is None where none had a seat left."""

    flight: str | None = None


class Notice(msgspec.Struct):
    missed: str
    flight: str | None = None


class Arrivals(Actor):
    """Writes arrivals down and says whether the connection was missed."""

    async def arrived(self, arrived: Arrived) -> Verdict:
        await self.db.execute(
            "INSERT INTO trip_arrival VALUES ($1, $2) ON CONFLICT DO NOTHING", arrived.flight, arrived.minutes
        )
        return Verdict(missed=arrived.minutes is None or arrived.minutes > MISSED_MINUTES)


class Seats(Actor):
    """Finds the next flight of the airline to the same place that has a seat left."""

    async def rebook(self, rebook: Rebook) -> Seat:
        flight = await self.db.fetchval(
            "UPDATE trip_seats SET free = free - 1 WHERE flight = ("
            " SELECT flight FROM trip_seats WHERE carrier = $1 AND dest = $2 AND hour > $3 AND free > 0"
            " ORDER BY hour, flight LIMIT 1 FOR UPDATE) RETURNING flight",
            rebook.carrier,
            rebook.dest,
            rebook.after,
        )
        if flight is not None:
            await self.db.execute("INSERT INTO trip_booking VALUES ($1, $2)", rebook.missed, flight)
        return Seat(flight)

    async def give_back(self, give: GiveBack) -> None:
        await self.db.execute(
            "WITH gone AS (DELETE FROM trip_booking WHERE missed = $1 RETURNING flight)"
            " UPDATE trip_seats SET free = free + 1 WHERE flight IN (SELECT flight FROM gone)",
            give.missed,
        )


class Notices(Actor):
    """Tells passengers what became of their trip."""

    async def tell(self, notice: Notice) -> None:
        await self.db.execute("INSERT INTO trip_notice VALUES ($1, $2)", notice.missed, notice.flight)


FLOW = (
    Flow("flight")
    .step("arrival", "arrivals", "{flight: input.flight, minutes: input.minutes}", output="verdict")
    .choice(
        "delay",
        (
            "verdict.missed",
            Flow("connection")
            .step(
                "rebook",
                "seats",
                "{carrier: input.carrier, dest: input.dest, after: input.hour, missed: input.flight}",
                message="Rebook",
                output="seat",
                undo=undo("seats", "{missed: input.flight}", message="GiveBack"),
            )
            .step("notice", "notices", "{missed: input.flight, flight: seat.flight}", pivot=True),
        ),
    )
)


class FlightCode(Saga):
    """The same in code."""

    async def run(self, trip: Trip) -> None:
        verdict = await self.step("arrival", "arrivals", Arrived(trip.flight, trip.minutes), returns=Verdict)
        if not verdict.missed:
            return
        seat = await self.step(
            "rebook",
            "seats",
            Rebook(trip.carrier, trip.dest, trip.hour, trip.flight),
            returns=Seat,
            undo=Revoke(service="seats", message=GiveBack(trip.flight)),
        )
        await self.step("notice", "notices", Notice(trip.flight, seat.flight), pivot=True)


TABLES = """
CREATE TABLE IF NOT EXISTS trip_arrival (flight text PRIMARY KEY, minutes int);
CREATE TABLE IF NOT EXISTS trip_seats (
    flight text PRIMARY KEY, carrier text NOT NULL, dest text NOT NULL, hour int NOT NULL, free int NOT NULL
);
CREATE INDEX IF NOT EXISTS trip_seats_way ON trip_seats (carrier, dest, hour);
CREATE TABLE IF NOT EXISTS trip_booking (missed text PRIMARY KEY, flight text NOT NULL);
CREATE TABLE IF NOT EXISTS trip_notice (missed text PRIMARY KEY, flight text);
"""

app = App("trips")
app.tables(TABLES)
app.service("arrivals", Arrivals, chunk_size=50, metadata=Metadata(owner="ops"))
app.service("seats", Seats, slots=1, metadata=Metadata(owner="sales"))
app.service("notices", Notices, chunk_size=50, metadata=Metadata(owner="service"))
sagas = Sagas(app)
sagas.register(FLOW.definition(label="Flight", owner="ops"), input=Trip)
sagas.register(FlightCode)
