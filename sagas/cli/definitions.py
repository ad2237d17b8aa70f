"""`postroom sagas definitions|diff|revert`."""

from __future__ import annotations

import difflib

import click
import msgspec
from rich.table import Table

from runtime.cli.output import examples, json_option, moment, print_json, printable, show, table
from runtime.cli.person import by_option
from runtime.cli.target import target_options, url_of
from sagas.cli.client import SagaClient
from sagas.definition import encode
from sagas.views import DefinitionJson

COLUMNS = ("version", "current", "published", "by", "checksum")


@click.command(epilog=examples("postroom sagas definitions", "postroom sagas definitions order --version 2 --json"))
@click.argument("name", required=False)
@click.option("--version", type=click.IntRange(1), metavar="N", help="Another version than the current one.")
@target_options
@json_option
def definitions(name: str | None, version: int | None, app: str | None, url: str | None, *, as_json: bool) -> None:
    """List the sagas, or show one's definition and its versions."""
    client = SagaClient(url_of(app, url))
    if name is None:
        found = client.definitions()
        if as_json:
            print_json(found)
        else:
            click.echo("\n".join(map(printable, found.sagas)) or "no sagas")
        return
    definition = client.definition(name, version)
    if as_json:
        print_json(definition)
    else:
        show(_table(definition))
        click.echo()
        click.echo("\n".join(_lines(definition)))


@click.command(epilog=examples("postroom sagas diff order 1 2", "postroom sagas diff order 1"))
@click.argument("name")
@click.argument("old", type=click.IntRange(1))
@click.argument("new", type=click.IntRange(1), required=False)
@target_options
def diff(name: str, old: int, new: int | None, app: str | None, url: str | None) -> None:
    """Show what changed between two versions.

    NEW is the current one by default.
    """
    client = SagaClient(url_of(app, url))
    before, after = client.definition(name, old), client.definition(name, new)
    titles = (f"{name} {before.version}", f"{name} {after.version}")
    changes = list(difflib.unified_diff(_lines(before), _lines(after), *titles, lineterm=""))
    click.echo("\n".join(changes) or "no difference")


@click.command(epilog=examples("postroom sagas revert order 1"))
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@by_option
@target_options
@json_option
def revert(name: str, version: int, by: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Have new sagas start with another version.

    Those that run finish on theirs.
    """
    definition = SagaClient(url_of(app, url)).revert(name, version, by=by)
    if as_json:
        print_json(definition)
    else:
        show(_table(definition))


def _table(definition: DefinitionJson) -> Table:
    rows = [
        (each.number, "yes" if each.current else "", moment(each.published_at), each.by, each.checksum)
        for each in definition.versions
    ]
    return table(COLUMNS, rows, whole=("published", "checksum"))


def _lines(definition: DefinitionJson) -> list[str]:
    text = msgspec.json.format(encode(definition.definition), indent=2).decode()
    return [printable(line) for line in text.splitlines()]
