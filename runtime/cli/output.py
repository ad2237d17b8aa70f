"""How results are shown: JSON for programs, plain tables for people."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

PIPED_COLUMNS = 240
"""Width where there is no terminal: files and pipes are not cut at 80."""
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def examples(*commands: str) -> str:
    """The end of a command's help. The mark tells click not to wrap the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def show(renderable: RenderableType) -> None:
    """Print for people. Where a table is too wide for the terminal, each row is told in lines of its own."""
    if not sys.stdout.isatty():
        _show_in_pipe(renderable)
        return
    console = Console(highlight=False, emoji=False)
    if isinstance(renderable, Table) and Console(width=PIPED_COLUMNS).measure(renderable).minimum > console.width:
        renderable = _row_by_row(renderable)
    console.print(renderable)


def _show_in_pipe(renderable: RenderableType) -> None:
    page = io.StringIO()
    console = Console(file=page, width=PIPED_COLUMNS, highlight=False, emoji=False, color_system=None)
    console.print(renderable)
    click.echo("\n".join(line.rstrip() for line in page.getvalue().splitlines()))


def _row_by_row(made: Table) -> Group:
    """The first cell of each row, and below it the others that are not empty, with their columns' names."""
    lines: list[RenderableType] = []
    for first, *others in zip(*(column.cells for column in made.columns), strict=True):
        facts = Text("  ").join(
            Text.assemble((f"{column.header} ", "dim"), cell)
            for column, cell in zip(made.columns[1:], others, strict=True)
            if isinstance(cell, Text) and cell.plain
        )
        lines += [first, Padding(facts, (0, 0, 0, 2))]
    return Group(*lines)


def printable(value: object) -> str:
    """Text from events and errors with its control characters spelled out, so that it cannot drive the terminal."""
    return str(value).translate(CONTROLS)


def text(value: object, style: str = "") -> Text:
    """A cell that is shown as it is: nothing in it is markup."""
    return Text("" if value is None else printable(value), style=style)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Sequence[str] = ()) -> Table:
    """A table whose columns named in `whole` are never wrapped; the others are, between words."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=column in whole, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return made


def moment(when: datetime | None) -> str:
    """A time in UTC to the second."""
    return when.strftime("%Y-%m-%d %H:%M:%SZ") if when else ""


def age(since: datetime) -> str:
    return duration((datetime.now(UTC) - since).total_seconds())


def duration(seconds: float) -> str:
    """Seconds in the two units that matter, such as `2h 5m`."""
    if seconds < 60:
        return f"{max(seconds, 0):.3g}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours == 0:
        return f"{minutes}m {int(seconds % 60)}s"
    if days == 0:
        return f"{hours}h {minutes % 60}m"
    return f"{days}d {hours % 24}h"
