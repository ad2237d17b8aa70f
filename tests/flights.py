"""The flights data as tests know it: read with the standard library alone."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bench.demo import MONTH

Row = dict[str, str]


def header() -> str:
    with gzip.open(MONTH, "rt", encoding="utf-8") as file:
        return file.readline().rstrip("\n")


def first_flights(path: Path, count: int) -> Path:
    """Cut the first flights of the month into a plain CSV."""
    with gzip.open(MONTH, "rt", encoding="utf-8") as month:
        path.write_text("".join(islice(month, count + 1)), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def delays(rows: Sequence[Row]) -> list[int]:
    """The arrival delays that were written down."""
    return [int(row["arr_delay"]) for row in rows if row["arr_delay"] != "NA"]
