"""`postroom schedules`: which events come at which moments, and where each schedule stands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from runtime.cli.client import Client
from runtime.cli.letter import section
from runtime.cli.output import examples, json_option, moment, print_json, printable, show, table
from runtime.cli.payload import argument_or_stdin
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.core.schedule import OVERLAPS
from runtime.errors import NotFoundError
from runtime.operations import MAX_PAGE
from runtime.schedule_views import ScheduleJson

COLUMNS = ("tenant", "name", "cron", "timezone", "to", "next", "last", "runs", "skipped", "missed", "state")
KEPT = ("cron", "timezone", "service", "type", "payload", "key", "overlap", "catch_up_seconds")
"""What stays as it is where a schedule is set without it."""


@click.group("schedules")
def schedules() -> None:
    """See and set schedules: at each moment of a cron expression an event goes to a service.

    A schedule belongs to a TENANT, and its NAME is one among those of that tenant. Those that start sagas are made by
    `postroom sagas schedule`, and are here with the others.
    """


def one_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command about one schedule takes."""
    options: list[Callable[..., Any]] = [click.argument("tenant"), click.argument("name"), target_options, json_option]
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def why_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every change takes beside that."""
    reason = click.option("--reason", metavar="TEXT", help="Why; it is kept in the audit.")
    return one_options(reason(by_option(command)))


@schedules.command(
    "list", epilog=examples("postroom schedules list", "postroom schedules list --tenant acme --limit 500 --json")
)
@click.option("--tenant", metavar="T", help="Of this tenant only.")
@click.option("--service", metavar="NAME", help="To this service only.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@click.option("--after", metavar="TENANT/NAME", help="Only those that follow this one: the next page.")
@target_options
@json_option
def list_schedules(
    tenant: str | None,
    service: str | None,
    limit: int,
    after: str | None,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """List schedules, by tenant and name."""
    found = connect(app, url).schedules(tenant=tenant, service=service, limit=limit, after=after)
    if as_json:
        print_json(found)
        return
    if found.schedules:
        show(table(COLUMNS, map(_row, found.schedules), whole=("tenant", "name", "cron", "next", "last")))
    else:
        click.echo("no such schedules")
    if found.next:
        click.echo(f"for more add: --after '{found.next}'", err=True)


@schedules.command("show", epilog=examples("postroom schedules show acme nightly"))
@one_options
def show_schedule(tenant: str, name: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show one schedule: what it is, where it stands, and why something waits or did not run."""
    tell_schedule(connect(app, url).schedule(tenant, name), as_json=as_json)


@schedules.command(
    "next", epilog=examples("postroom schedules next acme nightly", "postroom schedules next acme nightly --count 50")
)
@click.option("--count", type=click.IntRange(1, MAX_PAGE), default=5, show_default=True)
@one_options
def show_next(tenant: str, name: str, count: int, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show the next moments of a schedule, paused or not, in UTC."""
    found = connect(app, url).moments(tenant, name, count)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(map(moment, found.moments)))


@schedules.command(
    "set",
    epilog=examples(
        """postroom schedules set acme nightly --cron '0 3 * * *' --timezone Europe/Athens --to ledger '{"day": 1}'""",
        "postroom schedules set acme nightly --cron '30 3 * * *'",
        "postroom schedules set acme report --cron @monthly --to reports --key '{moment}' - < report.json",
    ),
)
@click.option(
    "--cron", metavar="EXPRESSION", help="Minute, hour, day of month, month, day of week; or @daily and such."
)
@click.option("--timezone", metavar="ZONE", help="In which its hours are, such as Europe/Athens [default: UTC].")
@click.option("--to", "service", metavar="SERVICE", help="The service that the event goes to.")
@click.option("--type", "type_name", metavar="NAME", help="The message's name, where the service takes several.")
@click.option("--key", metavar="K", help="The event's key; {moment} and {id} in it are those of the run.")
@click.option("--overlap", type=click.Choice(OVERLAPS), help="While the run before has not ended [default: skip].")
@click.option("--catch-up", type=float, metavar="SECONDS", help="How late a moment may run [default: however late].")
@why_options
@click.argument("payload", required=False)
def set_schedule(payload: str | None, type_name: str | None, catch_up: float | None, **options: Any) -> None:
    """Add a schedule, or set one anew. What is not named stays as it is.

    PAYLOAD is the message as JSON, or - to read it from standard input.
    """
    client = connect(options["app"], options["url"])
    given = {
        **{name: options[name] for name in ("cron", "timezone", "service", "key", "overlap")},
        "type": type_name,
        "catch_up_seconds": catch_up,
        "payload": None if payload is None else argument_or_stdin(payload),
    }
    tenant, name = options["tenant"], options["name"]
    set_anew = {field: value for field, value in given.items() if value is not None}
    body = {**_kept(client, tenant, name, options["service"]), **set_anew}
    missing = [f"--{'to' if field == 'service' else field}" for field in ("cron", "service") if field not in body]
    if missing or "payload" not in body:
        raise click.UsageError(f"A new schedule needs {' and '.join([*missing, 'a PAYLOAD'])}.")
    stored = client.put_schedule(tenant, name, {**body, "by": options["by"], "reason": options["reason"]})
    tell_schedule(stored, as_json=options["as_json"])


def _kept(client: Client, tenant: str, name: str, service: str | None) -> dict[str, object]:
    """What stays of a schedule that there may be; of another service's, not the name of its message."""
    try:
        known = client.schedule(tenant, name)
    except NotFoundError:
        return {}
    fields = [field for field in KEPT if field != "type" or service in {None, known.service}]
    return {field: value for field in fields if (value := getattr(known, field)) is not None}


def _change_command(verb: str, text: str) -> None:
    @schedules.command(verb, help=text, epilog=examples(f"postroom schedules {verb} acme nightly --reason 'month end'"))
    @why_options
    def change(tenant: str, name: str, by: str, reason: str | None, **options: Any) -> None:
        body: dict[str, object] = {"by": by, "reason": reason}
        changed = connect(options["app"], options["url"]).change_schedule(verb, tenant, name, body)
        tell_schedule(changed, as_json=options["as_json"])


_change_command("pause", "Have no more moments come. One that has come and has not run yet waits.")
_change_command("resume", "Have moments come again, from now on.")


@schedules.command("delete", epilog=examples("postroom schedules delete acme nightly --reason 'moved to the app'"))
@why_options
def delete_schedule(tenant: str, name: str, by: str, reason: str | None, **options: Any) -> None:
    """Delete a schedule; runs that it brought go on."""
    deleted = connect(options["app"], options["url"]).delete_schedule(tenant, name, by=by, reason=reason)
    if options["as_json"]:
        print_json(deleted)
    else:
        click.echo(f"deleted {name} of {tenant}, which ran {deleted.runs} times")


def _row(one: ScheduleJson) -> tuple[object, ...]:
    return (
        one.tenant,
        one.name,
        one.cron,
        one.timezone,
        one.service,
        moment(one.next_at),
        moment(one.ran_at),
        one.runs,
        one.skipped,
        one.missed,
        _state(one),
    )


def _state(one: ScheduleJson) -> str:
    if one.paused:
        return "paused"
    return "active" if one.held is None else f"waits: {one.held}"


def tell_schedule(one: ScheduleJson, *, as_json: bool) -> None:
    """Print one schedule."""
    if as_json:
        print_json(one)
        return
    for name, value in _facts(one):
        if value:
            click.echo(f"{name + ':':<13}{printable(value)}")
    section("payload", msgspec.json.format(bytes(one.payload), indent=2).decode())


def _facts(one: ScheduleJson) -> list[tuple[str, object]]:
    changed = "the app's code" if one.source == "app" else one.changed_by
    return [
        ("schedule", one.name),
        ("tenant", one.tenant),
        ("state", _state(one)),
        ("cron", f"{one.cron} in {one.timezone}"),
        ("service", one.service),
        ("type", one.type),
        ("key", one.key),
        ("overlap", one.overlap),
        ("catch up", one.catch_up_seconds and f"within {one.catch_up_seconds:g} s"),
        ("next", moment(one.next_at)),
        ("waiting", moment(one.waiting_at)),
        ("last", one.job and f"{moment(one.ran_at)}, job {one.job}"),
        ("runs", f"{one.runs:,}, {one.skipped:,} skipped, {one.missed:,} missed"),
        ("note", one.note and f"{moment(one.noted_at)} {one.note}"),
        ("set by", f"{changed}, {moment(one.changed_at)}"),
    ]
