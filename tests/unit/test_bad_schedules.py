"""Schedules that cannot be carried out are refused, with the field that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.errors import SpecError
from runtime import App, testing
from runtime.errors import ConflictError, InvalidInputError
from tests.unit.ledger import Book, Close, closing_app, given, minutely


@pytest.fixture
def app() -> App:
    return closing_app()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "Nightly"}, "name: 'Nightly' must be a lower-case word"),
        ({"cron": "* * * *"}, "cron: .* has 4 fields, not 5"),
        ({"cron": "0 0 * * * *"}, "cron: .* has 6 fields, not 5"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is none"),
        ({"overlap": "maybe"}, "overlap: must be one of skip, queue, allow, not 'maybe'"),
        ({"catch_up_seconds": 0.0}, "catch_up_seconds: must be"),
        ({"catch_up_seconds": float("nan")}, "catch_up_seconds: must be"),
        ({"tenant": ""}, "tenant: must not be empty"),
        ({"tenant": "a\n"}, "tenant: must not contain control characters"),
    ],
)
async def test_a_field_that_is_wrong_is_named_in_code_and_by_people(app: App, fields: Any, told: str) -> None:
    declared = {"name": "nightly", "cron": "@daily", "to": "ledger", "message": Close(), "tenant": "acme", **fields}
    with pytest.raises(SpecError, match=f"^{told}"):
        app.schedule(**declared)
    async with testing.app(app) as kit:
        with pytest.raises(InvalidInputError, match=f"^{told}"):
            await kit.running.operations.schedules.put(given(**fields), by="ann")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"to": "gone"}, "to: no service is named 'gone'; this app has: books, ledger"),
        ({"message": Book()}, "message: ledger does not take Book"),
        ({"to": "books"}, "key: is required: books has one actor per key"),
        ({"key": ""}, "key: must not be empty"),
    ],
)
def test_a_declaration_that_the_app_cannot_carry_out_is_refused(app: App, fields: Any, told: str) -> None:
    with pytest.raises(SpecError, match=f"^{told}"):
        minutely(app, **fields)


def test_a_tenant_has_one_schedule_of_a_name(app: App) -> None:
    minutely(app)
    minutely(app, tenant="bee")
    with pytest.raises(SpecError, match="name: acme has a schedule 'nightly' already"):
        minutely(app)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"service": "gone"}, "service: no service is named 'gone'"),
        ({"type": "Book"}, "type: ledger does not take 'Book'"),
        ({"type": None}, "type: is required: ledger takes Close, Open"),
        ({"payload": msgspec.Raw(b'{"day": "x"}')}, "payload.day: Expected `int`, got `str`"),
        ({"service": "books"}, "key: is required: books has one actor per key"),
        ({"key": "{id}" * 10}, "key: has 360 characters; the limit is 200"),
    ],
)
async def test_what_no_service_takes_is_refused(app: App, fields: Any, told: str) -> None:
    async with testing.app(app) as kit:
        with pytest.raises(InvalidInputError, match=f"^{told}"):
            await kit.running.operations.schedules.put(given(**fields), by="ann")


async def test_a_tenant_has_a_hundred_schedules_at_most(app: App) -> None:
    async with testing.app(app) as kit:
        for number in range(100):
            await kit.running.operations.schedules.put(given(name=f"s{number}"), by="ann")
        with pytest.raises(ConflictError, match="acme may have 100 schedules, and would have 101"):
            await kit.running.operations.schedules.put(given(name="one-more"), by="ann")
        await kit.running.operations.schedules.put(given(name="s7", cron="@daily"), by="ann")
        await kit.pass_time(60)
        assert len(kit.handled()) == 99
