"""Which moments cron expressions name, also where clocks jump."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from actors.errors import SpecError
from runtime.core.cron import NAMES, Cron

ATHENS = "Europe/Athens"
"""On 2026-03-29 its clocks go from 03:00 to 04:00, on 2026-10-25 from 04:00 back to 03:00."""


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def utc(cron: Cron, after: str, count: int) -> list[str]:
    moments = islice(cron.moments(at(after)), count)
    return [datetime.fromtimestamp(moment, ZoneInfo("UTC")).strftime("%m-%d %H:%M") for moment in moments]


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("0 3 * * *", ["01-01 03:00", "01-02 03:00", "01-03 03:00"]),
        ("*/20 * * * *", ["01-01 00:20", "01-01 00:40", "01-01 01:00"]),
        ("0 0 1 * *", ["02-01 00:00", "03-01 00:00", "04-01 00:00"]),
        ("0 9 * * mon-fri", ["01-01 09:00", "01-02 09:00", "01-05 09:00"]),
        ("0 0 L * *", ["01-31 00:00", "02-28 00:00", "03-31 00:00"]),
        ("0 0 13 * FRI", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        ("@hourly", ["01-01 01:00", "01-01 02:00", "01-01 03:00"]),
        ("@weekly", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
    ],
)
def test_an_expression_names_its_moments(text: str, moments: list[str]) -> None:
    assert utc(Cron(text, "UTC"), "2026-01-01 00:00", 3) == moments


@pytest.mark.parametrize("name", NAMES)
def test_every_name_names_moments(name: str) -> None:
    assert Cron(name, "UTC").after(0.0) is not None


def test_hours_are_those_of_the_zone() -> None:
    assert utc(Cron("0 3 * * *", ATHENS), "2026-03-27 12:00", 3) == ["03-28 01:00", "03-29 01:00", "03-30 00:00"]


def test_what_falls_into_a_gap_comes_right_after_it() -> None:
    assert utc(Cron("30 3 * * *", ATHENS), "2026-03-28 00:00", 3) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_what_comes_twice_runs_at_the_first_of_the_two() -> None:
    cron = Cron("30 3 * * *", ATHENS)
    assert utc(cron, "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert utc(cron, "2026-10-25 00:30", 1) == ["10-26 01:30"]
    assert utc(cron, "2026-10-25 01:10", 1) == ["10-26 01:30"]


def test_an_expression_with_a_star_goes_by_time_that_passes() -> None:
    cron = Cron("*/30 * * * *", ATHENS)
    assert utc(cron, "2026-03-29 00:15", 3) == ["03-29 00:30", "03-29 01:00", "03-29 01:30"]
    assert utc(cron, "2026-10-25 00:15", 3) == ["10-25 00:30", "10-25 01:00", "10-25 01:30"]


def test_the_newest_moment_of_ten_years_of_minutes_is_found() -> None:
    first, now = at("2026-01-01 00:01"), at("2036-01-01 12:34:56")
    assert Cron("* * * * *", "UTC").newest(first, now) == at("2036-01-01 12:34")


@pytest.mark.parametrize(
    ("text", "zone", "told"),
    [
        ("", "UTC", "cron: '' has 0 fields, not 5: minute, hour"),
        ("0 0 3 * * *", "UTC", "cron: '0 0 3 . . .' has 6 fields"),
        ("61 * * * *", "UTC", "cron: '61 . . . .': bad minute"),
        ("0 0 31 2 *", "UTC", "cron: .* bad day-of-month"),
        ("* * */20 * 1L", "UTC", "cron: .* names no moment within 50 years"),
        ("@reboot", "UTC", "cron: '@reboot' is none of @yearly"),
        ("*/0 * * * *", "UTC", "cron: .* bad minute"),
        ("0 " * 150, "UTC", "cron: has 300 characters; the limit is 200"),
        ("@daily", "Europe/Atlantis", "timezone: 'Europe/Atlantis' is none that this machine knows"),
        ("@daily", "../etc/passwd", "timezone: "),
        ("@daily", "", "timezone: "),
        ("@daily", "Europe", "timezone: "),
        ("@daily", "Q" * 500, "timezone: "),
    ],
)
def test_nonsense_is_refused_with_its_field(text: str, zone: str, told: str) -> None:
    with pytest.raises(SpecError, match=f"^{told}"):
        Cron(text, zone)
