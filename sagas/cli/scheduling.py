"""`postroom sagas schedule`."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option
from runtime.cli.payload import argument_or_stdin
from runtime.cli.person import by_option
from runtime.cli.schedules import tell_schedule
from runtime.cli.target import target_options, url_of
from runtime.core.schedule import OVERLAPS
from sagas.cli.client import SagaClient


@click.command(
    "schedule",
    epilog=examples(
        """postroom sagas schedule acme nightly closing '{"day": 1}' --cron '0 3 * * *' --timezone Europe/Athens""",
        "postroom schedules pause acme nightly",
    ),
)
@click.argument("tenant")
@click.argument("name")
@click.argument("saga")
@click.argument("given", metavar="INPUT", default="null")
@click.option(
    "--cron", required=True, metavar="EXPRESSION", help="Minute, hour, day of month, month, day of week; or @daily."
)
@click.option(
    "--timezone", default="UTC", show_default=True, metavar="ZONE", help="In which its hours are: Europe/Athens."
)
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="skip",
    show_default=True,
    help="While the saga before has not ended.",
)
@click.option("--catch-up", type=float, metavar="SECONDS", help="How late a moment may run [default: however late].")
@click.option("--reason", metavar="TEXT", help="Why; it is kept in the audit.")
@by_option
@target_options
@json_option
def schedule_saga(
    tenant: str,
    name: str,
    saga: str,
    given: str,
    cron: str,
    timezone: str,
    overlap: str,
    catch_up: float | None,
    reason: str | None,
    by: str,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """Have a saga start at each moment of a cron expression.

    NAME is the schedule's, among those of the TENANT; one of that name is set anew. INPUT is JSON, or - to read it from
    standard input. `postroom schedules` shows, pauses and deletes it.
    """
    body: dict[str, object] = {
        "cron": cron,
        "saga": saga,
        "input": argument_or_stdin(given),
        "timezone": timezone,
        "overlap": overlap,
        "catch_up_seconds": catch_up,
        "by": by,
        "reason": reason,
    }
    tell_schedule(SagaClient(url_of(app, url)).schedule_saga(tenant, name, body), as_json=as_json)
