"""`postroom dead-messages`: messages in memory that a running app never handled."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.target import connect, target_options
from runtime.operations import MAX_PAGE
from runtime.views import DeadMessageJson, DeadMessagesJson

COLUMNS = ("died", "actor", "type", "reason", "message")


@click.command(
    "dead-messages",
    epilog=examples(
        "postroom dead-messages",
        "postroom dead-messages --limit 500 --json",
    ),
)
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True, help="How many at most.")
@target_options
@json_option
def dead_messages(app: str | None, url: str | None, *, limit: int, as_json: bool) -> None:
    """List messages in memory that were never handled, newest first.

    They were told, sent or asked of an actor that had stopped, or found its mailbox full. The app counts all and keeps
    the last 1,000 until it stops; durable events are never among them (see `postroom dead-letters`).
    """
    found = connect(app, url).dead_messages(limit)
    if as_json:
        print_json(found)
        return
    show(table(COLUMNS, map(_row, found.dead_messages), whole=("died", "type", "reason")))
    click.echo(_summary(found))


def _row(dead: DeadMessageJson) -> tuple[object, ...]:
    return (moment(dead.at), dead.path, dead.type, dead.reason, dead.message)


def _summary(found: DeadMessagesJson) -> str:
    counts = ", ".join(f"{count:,} {reason}" for reason, count in found.reasons.items() if count)
    return f"{found.total:,} in all" + (f": {counts}" if counts else "")
