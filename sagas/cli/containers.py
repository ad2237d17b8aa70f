"""`postroom export` and `postroom import`: sagas on their way from one app to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

import click
import msgspec

from runtime.cli.output import examples, json_option, print_json, printable, show, table
from runtime.cli.payload import raw_json
from runtime.cli.person import by_option
from runtime.cli.target import target_options, url_of
from sagas.cli.client import SagaClient
from sagas.container import Imported, PlannedChange, container_schema

COLUMNS = ("saga", "change", "version")
SCHEDULE_COLUMNS = ("tenant", "schedule", "change", "setting", "here", "becomes")
LIMIT_COLUMNS = ("service", "tenant", "limit", "here", "becomes")


@click.command("export", epilog=examples("postroom export order > order.json", "postroom export --schema"))
@click.argument("saga", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of such documents instead.")
@target_options
def export_saga(saga: str | None, app: str | None, url: str | None, *, schema: bool) -> None:
    """Print a saga, with the sagas inside it, as one document.

    It has what the saga needs of services, how they are declared, their limits, the schedules that start it or bring
    events to them, and a checksum. It has no secrets, and tenants and services that are paused stay so.
    """
    if schema:
        print_json(container_schema())
    elif saga is None:
        raise click.UsageError("name a SAGA, or ask for the --schema")
    else:
        print_json(SagaClient(url_of(app, url)).export(saga))


@click.command(
    "import",
    epilog=examples(
        "postroom import order.json",
        "postroom import order.json --yes",
        "postroom import - --yes --edited < order.json",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--yes", is_flag=True, help="Do it; without this, what would change is shown.")
@click.option("--edited", is_flag=True, help="Accept a document that was edited after its export.")
@by_option
@target_options
@json_option
def import_sagas(
    file: IO[bytes], by: str, app: str | None, url: str | None, *, yes: bool, edited: bool, as_json: bool
) -> None:
    """Take sagas in that another app has exported.

    A saga that is another here becomes a new version; those that run finish on theirs.
    """
    document = bytes(raw_json(file.read(), "container"))
    imported = SagaClient(url_of(app, url)).take_in(document, by=by, apply=yes, edited=edited)
    if as_json:
        print_json(imported)
    else:
        _tell(imported)


def _told(value: object) -> str:
    """A setting for people."""
    return printable(msgspec.json.encode(value).decode())


def _schedule_rows(changes: Iterable[PlannedChange]) -> Iterator[tuple[object, ...]]:
    for each in changes:
        change = "kept as the code has it" if each.change == "kept" else each.change
        yield each.tenant, each.name, f"{change}, paused" if each.paused else change, "", "", ""
        for one in each.settings:
            yield "", "", "", one.setting, *("" if value is None else _told(value) for value in (one.before, one.after))


def _tell(imported: Imported) -> None:
    show(table(COLUMNS, [(each.saga, each.change, each.version) for each in imported.changes], whole=COLUMNS))
    if imported.limits:
        click.echo()
        rows = [(each.service, each.tenant or "", each.setting, each.before, each.after) for each in imported.limits]
        show(table(LIMIT_COLUMNS, [tuple("" if value is None else value for value in row) for row in rows]))
    if imported.schedules:
        click.echo()
        show(table(SCHEDULE_COLUMNS, _schedule_rows(imported.schedules)))
    for change in imported.changes:
        if change.diff:
            click.echo()
            click.echo("\n".join(printable(line) for line in change.diff))
    for each in imported.differences:
        click.echo(
            f"the service {each.service} has {each.setting} {_told(each.here)} here and {_told(each.there)} where this"
            " comes from; that is for its code to say",
            err=True,
        )
    if not imported.applied:
        click.echo("nothing was changed; to do it add: --yes", err=True)
