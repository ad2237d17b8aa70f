"""`postroom children`: the supervisors of a running app's trees, and what can be asked of them."""

from __future__ import annotations

import click

from runtime.cli.output import examples, json_option, moment, print_json, printable, show, table
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.trees.operations import MAX_CHILDREN
from runtime.trees.views import ChildJson, SupervisorJson

COLUMNS = ("child", "state", "restart", "restarts", "last exit", "reason")


@click.group("children")
def children() -> None:
    """See and change the children of a supervisor, by path."""


@children.command(
    "list",
    epilog=examples(
        "postroom children list pipeline",
        "postroom children list pipeline/sessions --limit 500 --json",
    ),
)
@click.argument("supervisor")
@click.option("--limit", type=click.IntRange(1, MAX_CHILDREN), default=100, show_default=True)
@target_options
@json_option
def list_children(supervisor: str, limit: int, app: str | None, url: str | None, *, as_json: bool) -> None:
    """List the children of a SUPERVISOR in start order, with the reason of each one's last exit."""
    found = connect(app, url).supervisor(supervisor, limit)
    if as_json:
        print_json(found)
        return
    show(table(COLUMNS, map(_row, found.children), whole=("child", "state", "restart")))
    click.echo(_summary(found))


def _row(child: ChildJson) -> tuple[object, ...]:
    last = child.exits[-1] if child.exits else None
    about = (moment(last.at), last.reason) if last else ("", "")
    return (child.name, child.state, child.restart.value, child.restarts, *about)


def _summary(found: SupervisorJson) -> str:
    counts, path = found.counts, printable(found.path)
    return f"{path}: {counts.workers:,} actors and {counts.supervisors:,} supervisors, {counts.active:,} of them active"


def _acting(name: str, done: str, text: str, path: str) -> click.Command:
    """A command that asks one thing of one child."""

    @children.command(name, help=text, epilog=examples(f"postroom children {name} {path}"))
    @click.argument("path")
    @by_option
    @target_options
    @json_option
    def act(path: str, by: str, app: str | None, url: str | None, *, as_json: bool) -> None:
        answer = connect(app, url).change_child(name, path, by)
        if as_json:
            print_json(answer)
        else:
            click.echo(f"{printable(answer.path)} {done}")

    return act


restart = _acting("restart", "has started", "Start the child at PATH, which is down.", "pipeline/parser")
terminate = _acting(
    "terminate",
    "has stopped",
    "Stop the child at PATH. It stays down until it is restarted; a temporary or dynamic one is forgotten.",
    "pipeline/sessions/ada",
)
delete = _acting("delete", "is forgotten", "Forget the child at PATH, which is down.", "pipeline/parser")
