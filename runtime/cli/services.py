"""`postroom services`: what a running app offers."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, print_json, show, table
from runtime.cli.target import connect, target_options
from runtime.operations import ServiceInfo

COLUMNS = ("service", "label", "takes", "keyed", "slots", "chunk", "owner", "description")


@click.command(
    epilog=examples(
        "postroom services",
        "postroom services --json",
    ),
)
@target_options
@json_option
def services(app: str | None, url: str | None, *, as_json: bool) -> None:
    """List the services of a running app.

    Each with its settings and the messages it takes, by name.
    """
    found = connect(app, url).services()
    if as_json:
        print_json(found)
    else:
        show(table(COLUMNS, map(_row, found.services), whole=("service",)))


def _row(service: ServiceInfo) -> tuple[object, ...]:
    about = service.metadata
    takes = ", ".join(name or "any JSON object" for name in service.messages)
    keyed = "yes" if service.keyed else "no"
    return (service.name, about.label, takes, keyed, service.slots, service.chunk_size, about.owner, about.description)
