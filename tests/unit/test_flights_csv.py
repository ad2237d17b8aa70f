"""Flights from CSV: every mistake is one line that names the place."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.demo import MONTH
from bench.flights_csv import COLUMNS, FlightsFileError, check_flights, read_flights
from tests.flights import delays, first_flights, header, rows_of

GOOD = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.csv"


def row(**changes: str) -> str:
    cells = dict(zip(COLUMNS, GOOD.split(","), strict=True)) | changes
    return ",".join(cells.values())


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([header(), *lines]) + "\n", encoding="utf-8")
    return path


def problem(path: Path) -> str:
    with pytest.raises(FlightsFileError) as caught:
        check_flights(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path)).removeprefix(":").strip()


def test_a_row_becomes_a_typed_flight(path: Path) -> None:
    (flight,) = read_flights(write(path, GOOD))

    assert (flight.carrier, flight.flight, flight.arr_delay) == ("UA", 1545, 11)
    assert flight.time_hour == datetime(2013, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("missing", ["", "NA"])
def test_a_missing_cell_is_none(path: Path, missing: str) -> None:
    (flight,) = read_flights(write(path, row(arr_delay=missing, dep_time=missing)))

    assert flight.arr_delay is None
    assert flight.dep_time is None


def test_the_key_is_the_tail_number(path: Path) -> None:
    (flight,) = read_flights(write(path, GOOD))

    assert flight.aircraft == "N14228"


def test_without_a_tail_number_the_key_is_airline_and_flight(path: Path) -> None:
    (flight,) = read_flights(write(path, row(tailnum="NA")))

    assert flight.aircraft == "UA1545"


def test_the_order_of_the_columns_does_not_matter(path: Path) -> None:
    path.write_text(
        "\n".join(",".join(reversed(line.split(","))) for line in (header(), GOOD)) + "\n", encoding="utf-8"
    )

    assert next(read_flights(path)).carrier == "UA"


def test_a_byte_order_mark_is_no_part_of_the_first_column(path: Path) -> None:
    path.write_text(f"\ufeff{header()}\n{GOOD}\n", encoding="utf-8")

    assert check_flights(path).flights == 1


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path) -> None:
    plain = first_flights(tmp_path / "misnamed.gz", 20)
    zipped = tmp_path / "misnamed.csv"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))

    assert list(read_flights(plain)) == list(read_flights(zipped))


def test_the_month_that_ships_is_whole() -> None:
    month = check_flights(MONTH)
    rows = rows_of(MONTH)

    assert month.flights == len(rows) == 27_004
    assert len(delays(rows)) == 26_398
    assert len({each["carrier"] for each in rows}) == 16


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dep_time": "late"}, "3:dep_time: expected int | null, not 'late'"),
        ({"arr_delay": "11.5"}, "3:arr_delay: expected int | null, not '11.5'"),
        ({"month": "13"}, "3:month: expected int <= 12, not '13'"),
        ({"distance": "-1"}, "3:distance: expected int >= 0, not '-1'"),
        ({"flight": "9" * 30}, f"3:flight: expected int <= 99999, not '{'9' * 30}'"),
        ({"carrier": ""}, "3:carrier: must not be missing"),
        ({"flight": "NA"}, "3:flight: must not be missing"),
        ({"origin": "new york"}, "3:origin: expected str matching regex '^[a-z0-9]{2,3}$', not 'new york'"),
        ({"time_hour": "2013-01-01T10:00:00"}, "3:time_hour: expected datetime with a timezone component"),
        ({"time_hour": "yesterday"}, "3:time_hour: invalid rfc3339 encoded datetime, not 'yesterday'"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_field(path: Path, changes: dict[str, str], expected: str) -> None:
    write(path, GOOD, row(**changes))

    assert problem(path).startswith(expected)


def test_what_a_wrong_cell_holds_is_shown_in_part(path: Path) -> None:
    assert len(problem(write(path, row(dep_time="x" * 5000)))) < 120


@pytest.mark.parametrize(("line", "cells"), [(f"{GOOD},more", 20), ("2013,1", 2), ("", 0)])
def test_a_row_of_another_length_is_refused(path: Path, line: str, cells: int) -> None:
    write(path, GOOD, line, GOOD)

    assert problem(path) == f"3: has {cells} cells, not the 19 of the header"


def test_an_empty_file_says_what_it_lacks(path: Path) -> None:
    path.touch()

    assert problem(path) == "is empty; the first line must name the columns"


def test_a_header_alone_has_no_flights(path: Path) -> None:
    assert problem(write(path)) == "has a header but no flights"


def test_a_missing_column_is_named(path: Path) -> None:
    path.write_text(header().replace(",tailnum", "") + "\n", encoding="utf-8")

    assert problem(path) == "1: lacks the column tailnum"


def test_an_unknown_column_is_named(path: Path) -> None:
    path.write_text(f"{header()},gate\n", encoding="utf-8")

    assert problem(path) == "1: has the column 'gate', which no flight has"


def test_a_column_that_stands_twice_is_named(path: Path) -> None:
    path.write_text(f"{header()},carrier\n", encoding="utf-8")

    assert problem(path) == "1: has the column carrier twice"


def test_a_file_without_header_is_told_so(path: Path) -> None:
    path.write_text(f"{GOOD}\n", encoding="utf-8")

    assert problem(path).startswith("is not a CSV of flights: the first line must name the columns, not '2013,1,1")


def test_bytes_that_are_no_text_are_not_csv(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\xff\xfe\x00\x01" * 100)

    assert problem(path) == "is not CSV: it is not UTF-8 text"


def test_an_unclosed_quote_is_not_csv(path: Path) -> None:
    write(path, '"' + GOOD)

    assert "is not CSV" in problem(path)


def test_a_cut_gzip_file_is_damaged(path: Path) -> None:
    path.write_bytes(MONTH.read_bytes()[:100_000])

    assert problem(path).startswith("is a damaged gzip file")


def test_a_garbled_gzip_file_is_damaged(path: Path) -> None:
    path.write_bytes(b"\x1f\x8bgarbage that is no gzip")

    assert problem(path).startswith("is a damaged gzip file")


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    assert problem(path) == "cannot be read: No such file or directory"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert problem(tmp_path) == "cannot be read: Is a directory"
