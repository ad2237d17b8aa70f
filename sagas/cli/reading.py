"""`postroom sagas start|list|show`."""

from __future__ import annotations

from typing import get_args

import click
import msgspec

from runtime.cli.output import examples, json_option, moment, print_json, printable, show, table
from runtime.cli.payload import argument_or_stdin
from runtime.cli.person import by_option
from runtime.cli.target import target_options, url_of
from runtime.operations import MAX_PAGE
from sagas.cli.client import SagaClient
from sagas.machine import Status
from sagas.requests import MAX_WAIT_SECONDS
from sagas.views import EntryJson, SagaBrief, SagaJson

COLUMNS = ("id", "started", "status", "tenant", "saga", "version", "cause")
HISTORY_COLUMNS = ("at", "what", "place", "detail")
PLACE_COLUMNS = ("place", "state", "send", "due", "error")


@click.command(
    epilog=examples(
        """postroom sagas start order --tenant acme '{"id": "A-1", "total": 120}'""",
        "postroom sagas start order --tenant acme --id A-1 --wait - < order.json",
    ),
)
@click.argument("saga")
@click.argument("given", metavar="INPUT", default="null")
@click.option("--tenant", required=True, metavar="T", help="Whose saga it is.")
@click.option("--id", "instance", metavar="ID", help="An id of your own: a repeated start is harmless.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Another version than the current one.")
@click.option("--wait", is_flag=True, help="Wait for its end, and show it; the exit code is 1 unless it completed.")
@by_option
@target_options
@json_option
def start(
    saga: str,
    given: str,
    tenant: str,
    instance: str | None,
    version: int | None,
    by: str,
    app: str | None,
    url: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Start a saga.

    Its id is printed when it is on disk. INPUT is JSON, or - to read it from standard input.
    """
    client = SagaClient(url_of(app, url))
    body: dict[str, object] = {
        "saga": saga,
        "tenant": tenant,
        "input": argument_or_stdin(given),
        "id": instance,
        "version": version,
        "by": by,
    }
    started = client.start(body)
    if wait:
        _finish(_await_end(client, started.id, tenant), as_json=as_json)
    elif as_json:
        print_json(started)
    else:
        click.echo(printable(started.id))


@click.command(
    "list",
    epilog=examples(
        "postroom sagas list --status parked",
        "postroom sagas list --saga order --tenant acme --limit 500 --json",
    ),
)
@click.option("--saga", metavar="NAME", help="Of this name only.")
@click.option("--tenant", metavar="T", help="Of this tenant only.")
@click.option("--status", type=click.Choice(get_args(Status)), help="In this status only.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@click.option("--before", metavar="ID", help="Only ids below this one: the next page.")
@target_options
@json_option
def list_sagas(
    saga: str | None,
    tenant: str | None,
    status: str | None,
    limit: int,
    before: str | None,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """List sagas, the highest ids first.

    These are the newest, unless ids were chosen.
    """
    client = SagaClient(url_of(app, url))
    page = client.list(saga=saga, tenant=tenant, status=status, limit=limit, before=before)
    if as_json:
        print_json(page)
        return
    if page.sagas:
        show(table(COLUMNS, map(_row, page.sagas), whole=("id", "started", "status")))
    else:
        click.echo("no such sagas")
    if page.next:
        click.echo(f"for more add: --before {printable(page.next)}", err=True)


@click.command("show", epilog=examples("postroom sagas show A-1", "postroom sagas show A-1 --tenant acme --json"))
@click.argument("instance", metavar="ID")
@click.option("--tenant", metavar="T", help="Whose saga it is, where several tenants have one of that id.")
@target_options
@json_option
def show_saga(instance: str, tenant: str | None, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show one saga.

    Where it is at work, its data, and everything that has happened to it.
    """
    saga = SagaClient(url_of(app, url)).show(instance, tenant=tenant)
    if as_json:
        print_json(saga)
    else:
        describe(saga)


def describe(saga: SagaJson) -> None:
    """Print a saga for people."""
    click.echo(f"{printable(saga.saga)} {printable(saga.id)} of {printable(saga.tenant)}: {saga.status}")
    if saga.cause:
        click.echo(f"cause    {printable(saga.cause)}")
    click.echo(f"version  {saga.version}")
    click.echo(f"started  {moment(saga.started_at)} by {printable(saga.started_by)}")
    if saga.parent:
        click.echo(f"inside   {printable(saga.parent)}")
    for name, value in saga.data.items():
        click.echo(f"data     {printable(name)} = {printable(msgspec.json.encode(value).decode())}")
    for name, count in saga.signals_kept.items():
        click.echo(f"kept     {count} of the signal {printable(name)}")
    if saga.result is not None:
        click.echo(f"result   {printable(msgspec.json.encode(saga.result).decode())}")
    if saga.at_work:
        click.echo()
        rows = [(each.place, each.state, each.send, moment(each.due_at), each.error) for each in saga.at_work]
        show(table(PLACE_COLUMNS, rows, whole=("place",)))
    click.echo()
    show(table(HISTORY_COLUMNS, map(_entry, saga.history), whole=("at", "what", "place")))


def _entry(entry: EntryJson) -> tuple[object, ...]:
    return (entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], entry.what, entry.place, entry.detail)


def _await_end(client: SagaClient, instance: str, tenant: str) -> SagaJson:
    """Wait as long as it takes, a request at a time."""
    while True:
        saga = client.show(instance, tenant=tenant, wait_seconds=MAX_WAIT_SECONDS)
        if saga.status in {"completed", "compensated", "cancelled", "parked"}:
            return saga


def _finish(saga: SagaJson, *, as_json: bool) -> None:
    if as_json:
        print_json(saga)
    else:
        describe(saga)
    if saga.status != "completed":
        raise click.exceptions.Exit(1)


def _row(saga: SagaBrief) -> tuple[object, ...]:
    return (saga.id, moment(saga.started_at), saga.status, saga.tenant, saga.saga, saga.version, saga.cause)
