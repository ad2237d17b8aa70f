"""`postroom demo`: a month of real flights through the whole runtime."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from actors.spec import require_positive
from bench.flights import SERVICE, flights_app
from bench.flights_csv import FlightsFile, check_flights
from bench.launch import launch
from bench.replay import Replay, begin_replay, run_replay
from bench.report import Report, airlines_table, make_report
from runtime import App, Running, Settings
from runtime.cli.database import DatabaseUrl
from runtime.cli.output import examples, json_option, print_json, show
from runtime.cli.serving import GaveUpError
from runtime.http.address import parse_address
from runtime.settings import DEFAULT_DATA_DIR, DEFAULT_HTTP

MONTH = Path(str(files("bench").joinpath("data", "flights-2013-01.csv.gz")))
ANY_PORT = "127.0.0.1:0"
PROGRAM = "postroom"
PACED_CHUNK_SIZE = 2
"""A quiet airline waits for transactions of others, so they are short where waits are looked at."""
PROGRESS_SECONDS = 0.25

T = TypeVar("T")


@click.command(
    epilog=examples(
        "postroom demo",
        "postroom demo --json",
        "postroom demo --serve    # then, in another terminal: postroom tree",
        "postroom demo --speed 600000    # the month within seconds: by day there is more than the slots can handle",
        "postroom demo --database postgresql://localhost/flights",
    )
)
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    default=MONTH,
    metavar="FILE",
    help="A CSV of flights, plain or gzipped [default: New York, January 2013].",
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
    "--database",
    type=DatabaseUrl(),
    metavar="URL",
    envvar="POSTROOM_DATABASE",
    help="Use this PostgreSQL instead of an own one [env: POSTROOM_DATABASE].",
)
@click.option("--http", metavar="HOST:PORT", help=f"Where HTTP listens [default: {DEFAULT_HTTP}, or any free port].")
@click.option("--serve", is_flag=True, help="Keep running afterwards, until Ctrl+C.")
@click.option(
    "--speed",
    type=float,
    metavar="X",
    help="Enqueue flights when they leave, at X times real time, instead of all at once.",
)
@json_option
def demo(
    source: Path,
    data_dir: Path,
    database: str | None,
    http: str | None,
    *,
    serve: bool,
    speed: float | None,
    as_json: bool,
) -> None:
    """Replay a month of real flights: airlines are tenants, aircraft are keys.

    A flight that never arrived raises in its handler, is tried three times and becomes a dead letter. Killed in the
    middle, the same command takes the replay up again. The exit code is 1 if any event is lost.

    With --speed, transactions are of 2 events instead of 100, and the last line says how long the five smallest
    airlines waited while the largest one had a backlog.
    """
    if speed is not None:
        require_positive("speed", speed)
    if http:
        parse_address(http)
    settings = Settings(data_dir=data_dir, database=database, http=http or default_address())
    report = launch(_demo(check_flights(source), settings, serve=serve, speed=speed, as_json=as_json))
    if report.lost:
        raise click.exceptions.Exit(1)


def default_address() -> str:
    """The usual address if its port is free, else any free port: the demo must not fail on a busy one."""
    address = parse_address(DEFAULT_HTTP)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return ANY_PORT
    return DEFAULT_HTTP


async def _demo(source: FlightsFile, settings: Settings, *, serve: bool, speed: float | None, as_json: bool) -> Report:
    app = flights_app() if speed is None else flights_app(PACED_CHUNK_SIZE)
    async with app.running(settings) as running:
        report = await _unless_stopped(running, replay_file(app, running, source, speed))
        if as_json:
            print_json(msgspec.to_builtins(report))
        else:
            _show(report, running, settings, serve=serve)
        if serve:
            sys.stdout.flush()
            with contextlib.suppress(asyncio.CancelledError):  # a signal is how serving ends
                await _unless_stopped(running, asyncio.Event().wait())
    return report


async def _unless_stopped(running: Running, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises GaveUpError when the app stops by itself before, as nothing would end the work."""
    worker = asyncio.create_task(work)
    stopped = asyncio.create_task(running.wait_stopped())
    try:
        await asyncio.wait({worker, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if worker.done():
            return worker.result()
        reason = stopped.result()
        raise GaveUpError(reason) from reason
    finally:
        worker.cancel()
        stopped.cancel()
        await asyncio.wait({worker, stopped})


async def replay_file(app: App, running: Running, source: FlightsFile, speed: float | None) -> Report:
    """Replay a file, or the rest of it, and report what became of it."""
    replay = await begin_replay(running.database, source, running.last_seq)
    async with _progress(running, replay, source):
        seconds = await run_replay(running, replay, source, app=app, speed=speed)
    return await make_report(running.database, replay, flights=source.flights, seconds=seconds, speed=speed)


@contextlib.asynccontextmanager
async def _progress(running: Running, replay: Replay, source: FlightsFile) -> AsyncIterator[None]:
    """Bars on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        watcher = asyncio.create_task(_watch(running, replay, source.flights, bars))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)


async def _watch(running: Running, replay: Replay, flights: int, bars: Progress) -> None:
    tasks = [bars.add_task(what, total=flights) for what in ("accepted", "done", "dead")]
    while True:
        counts = await running.outcome_counts(SERVICE, replay.first_seq)
        for column, task in enumerate(tasks, start=1):
            bars.update(task, completed=sum(int(count[column]) for count in counts))
        await asyncio.sleep(PROGRESS_SECONDS)


def _show(report: Report, running: Running, settings: Settings, *, serve: bool) -> None:
    taken_up = " (taken up where it was cut off)" if report.resumed else ""
    show(airlines_table(report.airlines))
    click.echo(
        f"\n{report.accepted:,} events accepted, {report.done:,} done, {report.dead_letters:,} dead letters,"
        f" {report.lost:,} lost, in {report.seconds:.1f} s{taken_up}"
    )
    if report.small is not None:
        click.echo(f"\n{report.small}")
    place = (
        "" if settings.database or settings.data_dir == DEFAULT_DATA_DIR else f" --data {quote(str(settings.data_dir))}"
    )
    program = quote(program_name())
    click.echo(f"\nWhat next:\n  {program} dead-letters list --limit 5{'' if serve else place}")
    if serve:
        click.echo(f"  {program} tree          # or {running.url}/v1/tree\n\nServing until Ctrl+C.")
    else:
        click.echo(f"  {program} demo --serve{place}   # keeps running; then, in another terminal: {program} tree")


def program_name() -> str:
    """How the person who started this program can start it again: by its path, unless the shell finds it by name."""
    started = Path(sys.argv[0])
    if started.name != PROGRAM or shutil.which(PROGRAM) == str(started):
        return PROGRAM
    return str(started)
