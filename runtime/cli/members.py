"""`postroom members`: the processes that share an app's work."""

from __future__ import annotations

import click

from runtime.cli.output import age, examples, json_option, print_json, show, table
from runtime.cli.target import connect, target_options
from runtime.member_views import MemberJson

COLUMNS = ("process", "shards", "busy", "for", "last seen", "")


@click.command(
    epilog=examples(
        "postroom members",
        "postroom members --json",
    ),
)
@target_options
@json_option
def members(app: str | None, url: str | None, *, as_json: bool) -> None:
    """List the processes that share an app's work.

    Each with the number of shards it owns, as every key belongs to one of them, and how busy its event loop is. Those
    of one app on one database find each other by themselves, whether `postroom run --processes` started them or they
    were started apart.
    """
    found = connect(app, url).members()
    if as_json:
        print_json(found)
    else:
        show(table(COLUMNS, map(_row, found.members), whole=("process",)))


def _row(member: MemberJson) -> tuple[object, ...]:
    notes = [text for text, holds in (("answered this", member.answers), ("gone", not member.alive)) if holds]
    seen = f"{age(member.seen_at)} ago"
    busy = f"{member.utilization:.0%}"
    return (member.process, len(member.shards), busy, age(member.joined_at), seen, ", ".join(notes))
