"""`postroom breakers`: tenants that services park because most of their events fail."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.service_views import BreakerJson

COLUMNS = ("service", "tenant", "state", "failed", "since", "tried again", "last failure")


@click.group("breakers")
def breakers() -> None:
    """See which tenants a service parks because most of their events fail, and let them go on.

    Their events wait and are lost to nobody; other tenants do not notice.
    """


@breakers.command("list", epilog=examples("postroom breakers list", "postroom breakers list --service payments --json"))
@click.option("--service", metavar="NAME", help="Of this service only.")
@target_options
@json_option
def list_breakers(service: str | None, app: str | None, url: str | None, *, as_json: bool) -> None:
    """List tenants with failures among their last events, the parked ones with when they are tried again."""
    found = connect(app, url).breakers(service)
    if as_json:
        print_json(found)
    elif found.breakers:
        show(table(COLUMNS, map(_row, found.breakers), whole=("service", "tenant", "state")))
    else:
        click.echo("no tenant had a failure lately")


@breakers.command("resume", epilog=examples("postroom breakers resume payments acme"))
@click.argument("service")
@click.argument("tenant")
@by_option
@target_options
@json_option
def resume(service: str, tenant: str, by: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Let TENANT, which SERVICE has parked, go on at once."""
    done = connect(app, url).resume(service, tenant, by=by)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{tenant} goes on in {service}")


def _row(one: BreakerJson) -> tuple[object, ...]:
    since = moment(one.opened_at) if one.opened_at else ""
    again = moment(one.try_at) if one.try_at else ""
    return one.service, one.tenant, one.state.value, f"{one.failed} of {one.seen}", since, again, one.reason
