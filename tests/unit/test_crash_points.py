from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from runtime.durable.crash_points import POINTS, armed

RUNTIME = Path(__file__).parents[2] / "runtime"


def test_each_point_stands_at_one_place_and_each_place_has_a_name() -> None:
    sources = [path.read_text(encoding="utf-8") for path in RUNTIME.rglob("*.py")]
    reached = Counter(name for source in sources for name in re.findall(r"\breach\(\"([\w.]+)\"\)", source))
    assert reached == dict.fromkeys(POINTS, 1)


def test_nothing_happens_without_a_name() -> None:
    crashes: list[int] = []
    reach = armed("", lambda: crashes.append(1))
    for point in POINTS:
        reach(point)
    assert crashes == []


def test_the_crash_comes_at_the_named_point_and_time_only() -> None:
    crashes: list[int] = []
    reach = armed("chunk.after_commit:2", lambda: crashes.append(1))
    reach("chunk.after_commit")
    reach("chunk.before_commit")
    assert crashes == []
    reach("chunk.after_commit")
    reach("chunk.after_commit")
    assert crashes == [1]


def test_an_unknown_point_is_refused() -> None:
    with pytest.raises(AssertionError, match="no point"):
        armed("chunk.sometime", lambda: None)
