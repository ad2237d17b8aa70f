"""What people see: durations, whole cells, and no control characters."""

from __future__ import annotations

import re

import pytest

from runtime.cli.output import duration, printable, show, table


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.25, "0.25s"),
        (9.99, "9.99s"),
        (59.4, "59s"),
        (61, "1m 1s"),
        (3599, "59m 59s"),
        (7500, "2h 5m"),
        (90_000, "1d 1h"),
    ],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2Jb\x07\x9bc\r") == "a\\x1b[2Jb\\x07\\x9bc\\x0d"
    assert printable("naïve\tline\n") == "naïve\tline\n"


def test_a_table_in_a_pipe_is_not_cut_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(table(("id", "cause"), [("x" * 36, "y" * 100), (None, "[bold]z[/bold]")], whole=("id",)))
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "cause"]
    assert first.split() == ["x" * 36, "y" * 100]
    assert second.strip() == "[bold]z[/bold]"
    assert header == header.rstrip()


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")


def plain_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in capsys.readouterr().out.splitlines()]


ROWS = [("x" * 36, "UA", None, "no arrival delay"), ("y" * 36, "DL", "N1", "no arrival delay")]
COLUMNS = ("id", "tenant", "key", "cause")


def test_a_table_that_is_too_wide_for_the_terminal_is_told_row_by_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, 45)
    show(table(COLUMNS, ROWS, whole=("id",)))
    lines = plain_lines(capsys)
    assert lines == [
        "x" * 36,
        "  tenant UA  cause no arrival delay",
        "y" * 36,
        "  tenant DL  key N1  cause no arrival delay",
    ]


def test_a_table_that_fits_by_wrapping_between_words_stays_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, 62)
    show(table(COLUMNS, ROWS, whole=("id",)))
    lines = plain_lines(capsys)
    assert lines[0].split() == list(COLUMNS)
    assert lines[1].split() == ["x" * 36, "UA", "no", "arrival"]
    assert lines[2].split() == ["delay"]
