"""`postroom state`: the durable state of an actor."""

from __future__ import annotations

import click
import msgspec

from runtime.cli.output import examples, json_option, moment, print_json
from runtime.cli.target import connect, target_options


@click.command(
    epilog=examples(
        "postroom state baskets --tenant acme --key ann",
        "postroom state baskets --tenant acme --key ann --json",
    ),
)
@click.argument("service")
@click.option("--tenant", required=True, metavar="NAME", help="Whose actor.")
@click.option("--key", required=True, metavar="NAME", help="Which of its actors.")
@target_options
@json_option
def state(service: str, tenant: str, key: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show the durable state of one actor of SERVICE, as it is stored."""
    found = connect(app, url).state(service, tenant, key)
    if as_json:
        print_json(found)
        return
    click.echo(f"version {found.version}, saved {moment(found.saved_at)}")
    click.echo(msgspec.json.format(bytes(found.state), indent=2).decode())
