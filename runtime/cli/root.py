"""The group of all commands: the runtime's own, and those that other packages plug in."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import IO, Any

import click

from actors.errors import PostroomError
from runtime.cli.audit import audit
from runtime.cli.breakers import breakers
from runtime.cli.children import children
from runtime.cli.dead_letters import dead_letters
from runtime.cli.dead_messages import dead_messages
from runtime.cli.explain import explain
from runtime.cli.jobs import jobs
from runtime.cli.members import members
from runtime.cli.output import examples, printable
from runtime.cli.replay import replay
from runtime.cli.run import run
from runtime.cli.schedules import schedules
from runtime.cli.send import send
from runtime.cli.services import services
from runtime.cli.state import state
from runtime.cli.tenants import tenants
from runtime.cli.tree import tree

PLUGINS = "postroom.commands"
OWN_COMMANDS: tuple[click.Command, ...] = (
    run,
    tree,
    children,
    services,
    send,
    members,
    jobs,
    explain,
    tenants,
    schedules,
    breakers,
    state,
    audit,
    replay,
    dead_letters,
    dead_messages,
)


class OneLineError(click.ClickException):
    """How an error of the runtime is told: one line, no traceback."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"postroom: error: {printable(self.message)}", err=file is None, file=file)


class PluggableGroup(click.Group):
    """Loads plugged-in commands when they are needed; one that cannot be loaded says so and harms no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *sorted(_plugins().keys() - set(own))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _plugins().get(cmd_name)
        return _load(plugin) if plugin is not None else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PostroomError as error:
            raise OneLineError(str(error)) from error


def _plugins() -> dict[str, EntryPoint]:
    return {plugin.name: plugin for plugin in entry_points(group=PLUGINS)}


def _load(plugin: EntryPoint) -> click.Command:
    try:
        command = plugin.load()
    except Exception as error:  # noqa: BLE001 # whatever a plug-in raises is its own affair
        return _broken(plugin, f"{type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return _broken(plugin, f"{plugin.value} is not a click command")
    return command


def _broken(plugin: EntryPoint, reason: str) -> click.Command:
    def fail(**_: object) -> None:
        raise OneLineError(f"the command {plugin.name!r} cannot be loaded from {plugin.value}: {reason}")

    callback: Callable[..., None] = fail
    return click.Command(
        plugin.name,
        callback=callback,
        short_help=f"(cannot be loaded: {reason})",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


@click.group(
    cls=PluggableGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "postroom run flights:app",
        "postroom tree",
        """postroom send arrivals --tenant UA '{"flight": 1545, "arr_delay": 11}'""",
        "postroom dead-letters list",
        "postroom dead-letters show ID",
        "postroom dead-letters replay ID --set arr_delay=11",
    ),
)
@click.version_option(package_name="postroom", message="postroom %(version)s")
def main() -> None:
    """Durable, multi-tenant actors for asyncio.

    `run` starts an app; the other commands find it by themselves. Where several run, choose one by --app NAME or
    --url URL. Exit codes: 0 done, 1 failed, 2 not understood.
    """


for _command in OWN_COMMANDS:
    main.add_command(_command)
