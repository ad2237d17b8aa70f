"""`postroom tenants history` and `restore`: the versions of what people set."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.operations import MAX_PAGE
from runtime.tenant_views import PolicyJson, said, whom

COLUMNS = ("version", "since", "by", "reason", "settings")


@click.command(
    epilog=examples(
        "postroom tenants history acme",
        "postroom tenants history acme --service mail",
        "postroom tenants history --service mail --json",
    ),
)
@click.argument("tenant", required=False)
@click.option("--service", metavar="NAME", help="In this service only; without TENANT, of the service itself.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@target_options
@json_option
def history(
    tenant: str | None, service: str | None, limit: int, app: str | None, url: str | None, *, as_json: bool
) -> None:
    """List the versions of what people set for a tenant or a service, newest first.

    Without TENANT and --service, of the whole app. SETTINGS is all that was set then.
    """
    found = connect(app, url).policy_history(tenant=tenant, service=service, limit=limit)
    if as_json:
        print_json(found)
    elif not found.versions:
        click.echo(f"nobody has set anything for {whom(service, tenant)}")
    else:
        rows = [(one.version, moment(one.at), one.by, one.reason, said(one.settings)) for one in found.versions]
        show(table(COLUMNS, rows, whole=("version", "since")))


@click.command(epilog=examples("postroom tenants restore 7 --reason 'the new relay fails'"))
@click.argument("version", type=click.IntRange(1))
@click.option("--reason", metavar="TEXT", help="Why; it is kept with the change.")
@by_option
@target_options
@json_option
def restore(version: int, reason: str | None, by: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Set again what a VERSION set, and nothing else, for the tenant or service that it is of."""
    show_change(connect(app, url).restore_policy(version, by=by, reason=reason), as_json=as_json)


def show_change(changed: PolicyJson, *, as_json: bool) -> None:
    """Say what is set for a scope now that it was changed."""
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{whom(changed.service, changed.tenant)}: {said(changed.settings) or 'as by default'}")
