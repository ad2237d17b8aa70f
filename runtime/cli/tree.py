"""`postroom tree`: the supervision tree of a running app."""

from __future__ import annotations

import click
from rich.text import Text
from rich.tree import Tree

from runtime.cli.output import age, duration, examples, json_option, moment, print_json, printable, show
from runtime.cli.target import connect, target_options
from runtime.views import TreeJson

STATE_STYLES = {"running": "green", "starting": "yellow", "restarting": "yellow", "stopping": "yellow", "failed": "red"}


@click.command(
    epilog=examples(
        "postroom tree",
        "postroom tree --exits",
        "postroom tree --app flights --json",
    ),
)
@click.option("--exits", is_flag=True, help="Show the last ends of each part, with the reason.")
@target_options
@json_option
def tree(app: str | None, url: str | None, *, exits: bool, as_json: bool) -> None:
    """Show the parts of a running app.

    Each line names a part, its kind and state, how long it has lived, how often it was restarted and why last, and
    for those with a mailbox how many messages wait, the age of the oldest, and how many were handled.
    """
    root = connect(app, url).tree()
    if as_json:
        print_json(root)
        return
    show(draw(root, exits=exits))


def draw(node: TreeJson, *, exits: bool) -> Tree:
    drawn = Tree(_line(node))
    _add_below(drawn, node, exits=exits)
    return drawn


def _add_below(drawn: Tree, node: TreeJson, *, exits: bool) -> None:
    for ended in node.exits if exits else ():
        drawn.add(Text(f"{moment(ended.at)}  {printable(ended.reason)}", style="dim"))
    for child in node.children:
        _add_below(drawn.add(_line(child)), child, exits=exits)
    hidden = node.children_total - len(node.children)
    if hidden > 0:
        drawn.add(Text(f"and {hidden:,} more", style="dim"))


def _line(node: TreeJson) -> Text:
    line = Text(printable(node.name), style="bold")
    kind = f"{node.kind}, {node.strategy}" if node.strategy else node.kind
    line.append(f"  {kind}  ", style="not bold dim")
    line.append(printable(node.state), style=f"not bold {STATE_STYLES.get(node.state, '')}".strip())
    line.append("".join(f"  {fact}" for fact in _facts(node)), style="not bold")
    return line


def _facts(node: TreeJson) -> list[str]:
    facts = [f"for {age(node.since)}"]
    if node.restarts:
        reason = f", last {age(node.last_restart_at)} ago" if node.last_restart_at else ""
        reason += f": {printable(node.last_reason)}" if node.last_reason else ""
        facts.append(f"{node.restarts:,} restart{'s' * (node.restarts != 1)}{reason}")
    if node.mailbox_depth is not None:
        facts.append(f"{node.mailbox_depth:,} waiting")
    if node.oldest_message_seconds is not None:
        facts.append(f"oldest {duration(node.oldest_message_seconds)}")
    if node.handled is not None:
        facts.append(f"{node.handled:,} handled")
    if node.detail:
        facts.append(f"({printable(node.detail)})")
    return facts
