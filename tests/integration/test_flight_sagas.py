"""Real flights as sagas, in both styles: the same trips end the same way."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from bench.demo import MONTH
from bench.flight_sagas import MISSED_MINUTES, app, sagas
from bench.flights_csv import read_flights
from bench.trips import add_seats, counts, trip_of
from tests.apps import run
from tests.postgres import Server


@pytest.mark.parametrize("saga", ["flight", "flight-code"])
async def test_whoever_missed_a_connection_is_rebooked_where_there_is_a_seat_and_told(
    database: Server, saga: str
) -> None:
    trips = [trip_of(flight) for flight in islice(read_flights(MONTH), 300)]
    missed = sum(trip.minutes is None or trip.minutes > MISSED_MINUTES for trip in trips)
    async with run(app, database) as running:
        await add_seats(running, trips)
        starts = [sagas.start(saga, trip, tenant=trip.carrier, id=trip.flight) for trip in trips]
        for instance in await asyncio.gather(*starts):
            assert (await sagas.wait(instance)).status == "completed"
        found = dict(await counts(running))
    assert found["flights recorded"] == 300
    assert found["connections missed and told"] == missed > 0
    assert found["rebooked"] == found["seats taken"]
    assert 0 < found["rebooked"] <= missed
