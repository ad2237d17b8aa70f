"""`postroom replay`: stored events run again, by filter or by id."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import get_args
from uuid import UUID

import click
from rich.console import Console
from rich.progress import Progress

from runtime.cli.client import Client
from runtime.cli.output import examples, json_option, print_json
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.cli.times import MomentType
from runtime.replay_views import ReplayJson
from runtime.store.replays import ReplayOutcome

POLL_SECONDS = 0.1


@click.command(
    epilog=examples(
        "postroom replay --service arrivals --outcome failed --since 2h --dry-run",
        "postroom replay --service arrivals --outcome failed --since 2h --yes",
        "postroom replay --tenant UA --since 2026-01-31T12:00Z --until 2026-01-31T13:00Z --to audits --yes",
        "postroom replay 0193d5a2-5d1c-7c3e-9a51-2f4e6c1b7a90",
    ),
)
@click.argument("ids", nargs=-1, type=click.UUID, metavar="[ID]...")
@click.option("--service", metavar="NAME", help="Events of this service.")
@click.option("--tenant", metavar="T", help="Events of this tenant.")
@click.option("--type", "type_name", metavar="NAME", help="Events of this message.")
@click.option("--outcome", type=click.Choice(get_args(ReplayOutcome)), help="Events that ended so.")
@click.option("--since", type=MomentType(), metavar="TIME", help="Made at or after TIME: 2h ago, or ISO 8601.")
@click.option("--until", type=MomentType(), metavar="TIME", help="Made before TIME.")
@click.option("--to", metavar="SERVICE", help="Run them through this service instead of their own.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.option("--yes", is_flag=True, help="Do not ask, and run them again however many there are.")
@click.option("--id", "request_id", type=click.UUID, metavar="ID", help="An id of your own: asking twice is harmless.")
@by_option
@target_options
@json_option
def replay(
    ids: tuple[UUID, ...],
    service: str | None,
    tenant: str | None,
    type_name: str | None,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
    to: str | None,
    request_id: UUID | None,
    by: str,
    app: str | None,
    url: str | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Run stored events again, as new events that name their origin.

    All that have ended and match, each once; what has not ended is left out. The request is on disk before the first
    one runs, and goes on after a crash. To mend what failed on its way, see postroom dead-letters replay.
    """
    client = connect(app, url)
    which: dict[str, object] = {
        "ids": list(ids) or None,
        "service": service,
        "tenant": tenant,
        "type": type_name,
        "outcome": outcome,
        "since": since,
        "until": until,
    }
    if not any(which.values()):
        raise click.UsageError("Give ids, or a filter: --service, --tenant, --type, --outcome, --since, --until.")
    if dry_run or not yes:
        matched = client.count_replay(which).matched
        if dry_run:
            print_json({"matched": matched}) if as_json else click.echo(f"{matched:,} events match")
            return
        if len(ids) == 0 and matched:
            click.confirm(f"Run {matched:,} events again?", abort=True, err=True)
    request = client.start_replay({**which, "to": to, "id": request_id, "by": by, "confirm": yes})
    done = _follow(client, request)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done.replayed:,} events run again: replay {done.id}")
        if done.refused:
            click.echo(f"{done.refused:,} were refused: they are dead letters that say why", err=True)


def _follow(client: Client, request: ReplayJson) -> ReplayJson:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("replaying", total=request.matched)
        while request.finished_at is None:
            time.sleep(POLL_SECONDS)
            request = client.replay_view(request.id)
            progress.update(task, completed=request.replayed + request.refused)
    return request
