"""`postroom services`: what a running app offers."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, print_json, show, table
from runtime.cli.target import connect, target_options
from runtime.operations import ServiceInfo

COLUMNS = ("service", "label", "takes", "keyed", "slots", "chunk", "class", "classes", "owner", "description")


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

    Each with its settings and the messages it takes, by name. CLASS is its own class of work among those of the app.
    CLASSES are those of its events, if they have any: how many slots each fills, how many it may fill now, how many are
    kept for it, and how many events of it wait.
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
    classes = "; ".join(str(each) for each in service.classes)
    return (
        service.name,
        about.label,
        takes,
        keyed,
        service.slots,
        service.chunk_size,
        service.work_class,
        classes,
        about.owner,
        about.description,
    )
