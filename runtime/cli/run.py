"""`postroom run`: the one command that starts an app with everything it needs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from runtime.cli.database import DatabaseUrl
from runtime.cli.output import examples
from runtime.cli.parent import has_parent
from runtime.settings import (
    DEFAULT_DATA_DIR,
    DEFAULT_HTTP,
    DEFAULT_MAX_DELAY_SECONDS,
    DEFAULT_MAX_PAYLOAD_BYTES,
    DEFAULT_RETENTION_DAYS,
    DEFAULT_WINDOW,
    Settings,
)

if TYPE_CHECKING:
    from runtime.running import Running

DEFAULTS = Settings()
MAX_PROCESSES = 64
"""More than there are shards would find nothing to do."""
LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@click.command(
    epilog=examples(
        "postroom run flights:app",
        "postroom run flights:app --data /var/lib/flights --http 127.0.0.1:0",
        "POSTROOM_DATABASE=postgresql://localhost/flights postroom run flights:app",
        "postroom run flights:app --processes 4",
    ),
)
@click.argument("reference", metavar="MODULE:APP")
@click.option(
    "--database",
    type=DatabaseUrl(),
    metavar="URL",
    envvar="POSTROOM_DATABASE",
    help="Use this PostgreSQL instead of an own one [env: POSTROOM_DATABASE].",
)
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    metavar="DIR",
    help="Where the own PostgreSQL keeps its data.",
)
@click.option(
    "--http", metavar="HOST:PORT", help=f"Where HTTP listens; port 0 takes a free one [default: {DEFAULT_HTTP}]."
)
@click.option("--no-http", is_flag=True, help="Serve no HTTP; the other commands cannot reach the app then.")
@click.option(
    "--schema", default=DEFAULTS.schema, show_default=True, metavar="NAME", help="The database schema to live in."
)
@click.option(
    "--max-payload-bytes",
    type=int,
    default=DEFAULT_MAX_PAYLOAD_BYTES,
    show_default=True,
    metavar="N",
    help="Larger messages are refused.",
)
@click.option(
    "--max-delay-seconds",
    type=float,
    default=DEFAULT_MAX_DELAY_SECONDS,
    show_default=True,
    metavar="S",
    help="Longer delays are refused.",
)
@click.option(
    "--window",
    type=int,
    default=DEFAULT_WINDOW,
    show_default=True,
    metavar="N",
    help="Waiting events of a tenant and service held in memory.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A TOML file with shares, caps and limits of tenants and services.",
)
@click.option(
    "--retention-days",
    type=float,
    default=DEFAULT_RETENTION_DAYS,
    show_default=True,
    metavar="DAYS",
    help="How long events that have ended stay in the log; dead letters stay.",
)
@click.option(
    "--connections",
    type=int,
    default=DEFAULTS.connections,
    show_default=True,
    metavar="N",
    help="Handlers that may use the database at once.",
)
@click.option("--pooled-connections", is_flag=True, help="The database is behind a transaction pooler.")
@click.option(
    "--processes",
    type=click.IntRange(1, MAX_PROCESSES),
    default=1,
    show_default=True,
    metavar="N",
    help="Share the work among so many processes; the first serves HTTP.",
)
@click.option(
    "--lease-seconds",
    type=float,
    default=DEFAULTS.lease_seconds,
    show_default=True,
    metavar="S",
    help="After which a process that stands still counts as dead for the others.",
)
@click.option(
    "--database-wait-seconds",
    type=float,
    default=DEFAULTS.database_wait_seconds,
    show_default=True,
    metavar="S",
    help="How long a start waits for a database that cannot be reached.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.pass_context
def run(
    ctx: click.Context,
    reference: str,
    database: str | None,
    data_dir: Path,
    http: str | None,
    schema: str,
    max_payload_bytes: int,
    max_delay_seconds: float,
    window: int,
    config: Path | None,
    retention_days: float,
    connections: int,
    processes: int,
    lease_seconds: float,
    database_wait_seconds: float,
    log_level: str,
    *,
    no_http: bool,
    pooled_connections: bool,
) -> None:
    """Run an app until it is stopped.

    APP is the name of the App in MODULE, which may lie in the current directory. With nothing else given, an own
    PostgreSQL keeps everything in .postroom. SIGINT (Ctrl+C) and SIGTERM finish what runs and stop; a second one
    stops at once. Nothing accepted is lost either way.

    Every run of an app on one database, on this machine or another, shares its work with the others: keys are spread
    evenly over the processes, and move when one joins, leaves or dies.
    """
    if http and no_http:
        raise click.UsageError("--http and --no-http exclude each other.")
    address = None if no_http else http or DEFAULT_HTTP
    settings = Settings(
        database=database,
        data_dir=data_dir,
        schema=schema,
        http=address,
        max_payload_bytes=max_payload_bytes,
        max_delay_seconds=max_delay_seconds,
        window=window,
        config=config,
        retention_days=retention_days,
        connections=connections,
        pooled_connections=pooled_connections,
        lease_seconds=lease_seconds,
        database_wait_seconds=database_wait_seconds,
    )
    logging.basicConfig(stream=sys.stderr, level=log_level.upper(), format=LOG_FORMAT)
    # the event loop, the database driver and the HTTP server are not needed by the other commands
    from runtime.cli.loading import load_app  # noqa: PLC0415
    from runtime.cli.serving import serve  # noqa: PLC0415
    from runtime.http.address import parse_address  # noqa: PLC0415

    if address:
        parse_address(address)
    app = load_app(reference)
    if processes > 1:
        from runtime.cli.processes import supervise  # noqa: PLC0415

        click.echo(f"{app.name}: starting {processes} processes; stop them with Ctrl+C")
        commands = [_child_arguments(ctx, serves_http=number == 0) for number in range(processes)]
        supervise(commands, None if database else data_dir)
        return

    def greet(running: Running) -> None:
        if running.url is None and has_parent():
            return
        place = f"HTTP on {running.url}" if running.url else "no HTTP"
        click.echo(f"{app.name} is running: {place}; stop it with Ctrl+C")

    serve(app, settings, greet)


def _child_arguments(ctx: click.Context, *, serves_http: bool) -> list[str]:
    """The command of one of several processes: this one, as it was given, for one process."""
    arguments = ["run", ctx.params["reference"]]
    for option in ctx.command.params:
        given = ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if not given or not isinstance(option, click.Option) or option.name in {"processes", "http", "no_http"}:
            continue
        arguments.append(option.opts[-1])
        if not option.is_flag:
            arguments.append(str(ctx.params[option.name or ""]))
    if ctx.params["no_http"] or not serves_http:
        arguments.append("--no-http")
    elif ctx.params["http"]:
        arguments += ["--http", ctx.params["http"]]
    return arguments
