"""Reads flights from CSV, plain or gzipped, one row at a time. Every cell that is wrong is named by line and field."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec

from actors import PostroomError
from bench.flights import Flight

COLUMNS = Flight.__struct_fields__
MISSING = frozenset({"", "NA"})
"""How the data set writes that a value is not known."""
GZIP_MAGIC = b"\x1f\x8b"
READ_BYTES = 1 << 20
SHOWN_CHARACTERS = 40
_PLACE = re.compile(r" - at `\$\.(\w+)`$")
_ABSENT = re.compile(r"Object missing required field `(\w+)`")


class FlightsFileError(PostroomError):
    """A file is no usable CSV of flights. `line` is where, `field` the column, where they are known."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None, field: str | None = None) -> None:
        place = ":".join(str(part) for part in (path, line, field) if part is not None)
        super().__init__(f"{place}: {problem}")
        self.line = line
        self.field = field


class FlightsFile(msgspec.Struct, frozen=True):
    """A file that was read to its end and found good."""

    path: Path
    sha256: str
    """Of the file as it lies on disk."""
    flights: int


def check_flights(path: Path) -> FlightsFile:
    """Read a whole file once without keeping it.

    Raises:
        FlightsFileError: it cannot be read, or a row is wrong.
    """
    flights = sum(1 for _ in read_flights(path))
    if not flights:
        raise FlightsFileError(path, "has a header but no flights")
    with path.open("rb") as file:
        return FlightsFile(path, hashlib.file_digest(file, "sha256").hexdigest(), flights)


def read_flights(path: Path) -> Iterator[Flight]:
    """The flights of a file in its order. Raises FlightsFileError as they are read."""
    with _reading(path) as lines:
        reader = csv.reader(lines, strict=True)
        try:
            header = _require_header(path, next(reader, None))
            for row in reader:
                yield _flight(path, reader.line_num, header, row)
        except csv.Error as error:
            raise FlightsFileError(path, f"is not CSV: {error}", line=reader.line_num) from error


@contextmanager
def _reading(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            plain = gzip.GzipFile(fileobj=raw) if zipped else raw
            with io.TextIOWrapper(io.BufferedReader(plain, READ_BYTES), "utf-8-sig", newline="") as lines:
                yield lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FlightsFileError(path, f"is a damaged gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise FlightsFileError(path, "is not CSV: it is not UTF-8 text") from error
    except OSError as error:
        raise FlightsFileError(path, f"cannot be read: {error.strerror or error}") from error


def _require_header(path: Path, header: Sequence[str] | None) -> Sequence[str]:
    if header is None:
        raise FlightsFileError(path, "is empty; the first line must name the columns")
    missing = [column for column in COLUMNS if column not in header]
    if len(missing) == len(COLUMNS):
        shown = _shown(",".join(header))
        raise FlightsFileError(path, f"is not a CSV of flights: the first line must name the columns, not {shown}")
    if missing:
        raise FlightsFileError(path, f"lacks the column {', '.join(missing)}", line=1)
    for index, column in enumerate(header):
        if column not in COLUMNS:
            raise FlightsFileError(path, f"has the column {_shown(column)}, which no flight has", line=1)
        if column in header[:index]:
            raise FlightsFileError(path, f"has the column {column} twice", line=1)
    return header


def _flight(path: Path, line: int, header: Sequence[str], row: Sequence[str]) -> Flight:
    if len(row) != len(header):
        raise FlightsFileError(path, f"has {len(row)} cells, not the {len(header)} of the header", line=line)
    cells = {column: cell for column, cell in zip(header, row, strict=True) if cell not in MISSING}
    try:
        return msgspec.convert(cells, Flight, strict=False)
    except msgspec.ValidationError as error:
        raise _cell_error(path, line, str(error), cells) from error


def _cell_error(path: Path, line: int, text: str, cells: dict[str, str]) -> FlightsFileError:
    absent = _ABSENT.match(text)
    if absent:
        return FlightsFileError(path, "must not be missing", line=line, field=absent[1])
    place = _PLACE.search(text)
    field = place[1] if place else None
    problem = _PLACE.sub("", text).lower().replace("`", "").replace(", got str", "")
    return FlightsFileError(path, f"{problem}, not {_shown(cells.get(field or '', ''))}", line=line, field=field)


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}...")
