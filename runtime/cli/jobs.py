"""`postroom jobs`: every event is a job; how it stands, how it ended, what it returned."""

from __future__ import annotations

import time
from datetime import datetime
from typing import get_args
from uuid import UUID

import click
import msgspec

from runtime.cli.client import Client
from runtime.cli.letter import ATTEMPT_COLUMNS, attempt_row, section
from runtime.cli.output import examples, json_option, moment, print_json, printable, show, table
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.cli.times import MomentType
from runtime.job_views import JobJson, JobResultJson
from runtime.operations import MAX_PAGE
from runtime.store.job_records import ENDED, JobStatus

COLUMNS = ("id", "accepted", "status", "tenant", "service", "key", "type", "attempt", "error")
LONGEST_LOOK_SECONDS = 20.0
"""How long one request waits; shorter than the client's patience."""


@click.group("jobs")
def jobs() -> None:
    """See how jobs stand and how they ended. Every event is a job."""


@jobs.command(
    "list",
    epilog=examples(
        "postroom jobs list --service arrivals --status failed --since 2h",
        "postroom jobs list --tenant UA --until 2026-01-31T12:00Z --limit 500 --json",
    ),
)
@click.option("--service", metavar="NAME", help="Of this service only.")
@click.option("--tenant", metavar="T", help="Of this tenant only.")
@click.option("--type", "type_name", metavar="NAME", help="Of this message only.")
@click.option("--status", type=click.Choice(get_args(JobStatus)), help="In this status only.")
@click.option("--since", type=MomentType(), metavar="TIME", help="Made at or after TIME: 2h ago, or ISO 8601.")
@click.option("--until", type=MomentType(), metavar="TIME", help="Made before TIME.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@click.option("--before", type=click.UUID, metavar="ID", help="Only older ones than this: the next page.")
@target_options
@json_option
def list_jobs(
    service: str | None,
    tenant: str | None,
    type_name: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: UUID | None,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """List jobs, newest first.

    A look at the log is bounded: a page may be short, or empty, and still name a next one.
    """
    page = connect(app, url).jobs(
        service=service,
        tenant=tenant,
        type=type_name,
        status=status,
        since=since and since.isoformat(),
        until=until and until.isoformat(),
        limit=limit,
        before=before,
    )
    if as_json:
        print_json(page)
        return
    if page.jobs:
        show(table(COLUMNS, map(_row, page.jobs), whole=("id", "accepted", "status")))
    else:
        click.echo("no such jobs")
    if page.next:
        click.echo(f"for older ones add: --before {page.next}", err=True)


@jobs.command("show", epilog=examples("postroom jobs show 0193d5a2-5d1c-7c3e-9a51-2f4e6c1b7a90"))
@click.argument("job_id", metavar="ID", type=click.UUID)
@target_options
@json_option
def show_job(job_id: UUID, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show one job.

    Its status, its payload and its attempts.
    """
    job = connect(app, url).job(job_id)
    if as_json:
        print_json(job)
    else:
        _describe(job)


@jobs.command(
    "result",
    epilog=examples(
        "postroom jobs result ID",
        "postroom jobs result ID --wait 300",
    ),
)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option("--wait", "wait_seconds", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Wait so long.")
@target_options
@json_option
def job_result(job_id: UUID, wait_seconds: float, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Print what the handler of a job returned, as JSON.

    The exit code is 1 unless the job has completed.
    """
    result = _await_result(connect(app, url), job_id, wait_seconds)
    if as_json:
        print_json(result)
    elif result.status == "completed":
        click.echo(msgspec.json.format(bytes(result.result), indent=2).decode())
    else:
        reason = f": {printable(result.error)}" if result.error else ""
        click.echo(f"{job_id} is {result.status}{reason}", err=True)
    if result.status != "completed":
        raise click.exceptions.Exit(1)


@jobs.command(
    "abort",
    epilog=examples(
        'postroom jobs abort ID --reason "wrong month"',
    ),
)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option("--reason", metavar="TEXT", help="Why, for the audit.")
@by_option
@target_options
@json_option
def abort_job(job_id: UUID, reason: str | None, by: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """End a job that is not done.

    One that waits is not started any more; the handler of one that runs is cancelled, and what it wrote to the database
    is undone. Its finalizers are told.
    """
    job = connect(app, url).abort_job(job_id, by=by, reason=reason)
    if as_json:
        print_json(job)
    else:
        click.echo(f"{job.id} is {job.status}")


def _await_result(client: Client, job_id: UUID, wait_seconds: float) -> JobResultJson:
    deadline = time.monotonic() + wait_seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        result = client.job_result(job_id, min(left, LONGEST_LOOK_SECONDS))
        if result.status in ENDED or left == 0:
            return result


def _row(job: JobJson) -> tuple[object, ...]:
    return (
        job.id,
        moment(job.accepted_at),
        job.status,
        job.tenant,
        job.service,
        job.key,
        job.type,
        job.attempt,
        job.error,
    )


def _describe(job: JobJson) -> None:
    facts = [
        ("job", job.id),
        ("status", job.status),
        ("service", job.service),
        ("tenant", job.tenant),
        ("key", job.key),
        ("type", job.type),
        ("accepted", f"{moment(job.accepted_at)} from {job.enqueued_by}"),
        ("due", moment(job.due_at)),
        ("finished", moment(job.finished_at)),
        ("because", job.error),
        ("caused by", job.cause),
        ("replay of", job.origin),
        ("depth", job.depth),
    ]
    for name, value in facts:
        if value:
            click.echo(f"{name + ':':<13}{printable(value)}")
    section("payload", msgspec.json.format(bytes(job.payload), indent=2).decode())
    if job.attempts:
        section("attempts")
        show(table(ATTEMPT_COLUMNS, map(attempt_row, job.attempts)))
