"""`postroom audit`: who did what, when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click

from runtime.audit_office import MAX_LINES
from runtime.audit_views import AuditLineJson
from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.target import connect, target_options
from runtime.cli.times import MomentType

COLUMNS = ("at", "by", "action", "subject", "target", "detail")


@click.command(
    epilog=examples(
        "postroom audit --since 1d",
        "postroom audit --by ann --action replay --json",
        "postroom audit --subject 0193d5a2-5d1c-7c3e-9a51-2f4e6c1b7a90",
    ),
)
@click.option("--by", metavar="NAME", help="What this person or program did.")
@click.option("--action", metavar="NAME", help="This kind of act only, such as replay, discard, abort.")
@click.option("--subject", type=click.UUID, metavar="ID", help="What was done to this event.")
@click.option("--target", metavar="NAME", help="What was done to this service, tenant or other thing.")
@click.option("--since", type=MomentType(), metavar="TIME", help="At or after TIME: 2h ago, or ISO 8601.")
@click.option("--until", type=MomentType(), metavar="TIME", help="Before TIME.")
@click.option("--limit", type=click.IntRange(1, MAX_LINES), default=50, show_default=True)
@click.option("--before", type=int, metavar="NUMBER", help="Only older ones than this: the next page.")
@target_options
@json_option
def audit(
    by: str | None,
    action: str | None,
    subject: UUID | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: int | None,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """List who did what, newest first.

    Nothing in the audit is ever changed. Who enqueued an event is told by the event itself: postroom jobs show ID.
    """
    page = connect(app, url).audit(
        by=by,
        action=action,
        subject=subject,
        target=target,
        since=since and since.isoformat(),
        until=until and until.isoformat(),
        limit=limit,
        before=before,
    )
    if as_json:
        print_json(page)
        return
    if page.lines:
        show(table(COLUMNS, map(_row, page.lines), whole=("at", "subject")))
    else:
        click.echo("nothing was noted")
    if page.next:
        click.echo(f"for older ones add: --before {page.next}", err=True)


def _row(line: AuditLineJson) -> tuple[object, ...]:
    return (moment(line.at), line.by, line.action, line.subject, line.target, line.detail)
