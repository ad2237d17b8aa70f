"""`postroom export` and `postroom import`: sagas on their way from one app to another."""

from __future__ import annotations

from typing import IO

import click

from runtime.cli.output import examples, json_option, print_json, show, table
from runtime.cli.payload import raw_json
from runtime.cli.person import by_option
from runtime.cli.target import target_options, url_of
from sagas.cli.client import SagaClient
from sagas.container import Imported

COLUMNS = ("saga", "change", "version")


@click.command("export", epilog=examples("postroom export order > order.json"))
@click.argument("saga")
@target_options
def export_saga(saga: str, app: str | None, url: str | None) -> None:
    """Print a saga, with the sagas inside it, as one document.

    It has what the saga needs of services, and a checksum; it has no settings of services, and no secrets.
    """
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
    document = bytes(raw_json(file.read()))
    imported = SagaClient(url_of(app, url)).take_in(document, by=by, apply=yes, edited=edited)
    if as_json:
        print_json(imported)
    else:
        _tell(imported)


def _tell(imported: Imported) -> None:
    show(table(COLUMNS, [(each.saga, each.change, each.version) for each in imported.changes], whole=COLUMNS))
    if not imported.applied:
        click.echo("nothing was changed; to do it add: --yes", err=True)
