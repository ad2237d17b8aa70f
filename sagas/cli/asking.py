"""`postroom sagas signal|cancel|suspend|resume|retry|skip|repair`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from runtime.cli.output import examples, json_option, print_json, printable
from runtime.cli.payload import AssignmentType, argument_or_stdin
from runtime.cli.person import by_option
from runtime.cli.target import target_options, url_of
from sagas.cli.client import SagaClient

Fields = dict[str, object]


def asking(name: str, *lines: str) -> Callable[[Callable[..., Fields]], click.Command]:
    """Make a command of a function that says what the request carries beside who asks."""

    def make(fields: Callable[..., Fields]) -> click.Command:
        @click.command(name, epilog=examples(*lines))
        @click.argument("instance", metavar="ID")
        @click.option("--tenant", metavar="T", help="Whose saga it is, where several tenants have one of that id.")
        @by_option
        @target_options
        @json_option
        @functools.wraps(fields)
        def command(
            instance: str, tenant: str | None, by: str, app: str | None, url: str | None, *, as_json: bool, **given: Any
        ) -> None:
            body: Fields = {"tenant": tenant, "by": by, **fields(**given)}
            told = SagaClient(url_of(app, url)).ask(instance, name, body)
            if as_json:
                print_json(told)
            else:
                click.echo(f"{printable(told.id)} was {told.status}; {name} is accepted")

        return command

    return make


@asking("signal", """postroom sagas signal A-1 approved '{"by": "ann"}'""")
@click.argument("signal")
@click.argument("payload", default="null")
def signal(signal: str, payload: str) -> Fields:
    """Send a saga a signal.

    It is kept if the saga does not wait for it yet. PAYLOAD is JSON, or - to read it from standard input.
    """
    return {"signal": signal, "payload": argument_or_stdin(payload)}


@asking("cancel", 'postroom sagas cancel A-1 --reason "the customer changed their mind"')
@click.option("--reason", default="", metavar="TEXT", help="Why, for its history.")
def cancel(reason: str) -> Fields:
    """Have a saga undo what it has done."""
    return {"reason": reason}


@asking("suspend", "postroom sagas suspend A-1")
def suspend() -> Fields:
    """Have a saga start nothing more until it is resumed."""
    return {}


@asking("resume", "postroom sagas resume A-1")
def resume() -> Fields:
    """Have a suspended saga go on with what happened meanwhile."""
    return {}


@asking("retry", "postroom sagas retry A-1", "postroom sagas retry A-1 --place charge:undo")
@click.option("--place", metavar="PLACE", help="Only what is parked there.")
def retry(place: str | None) -> Fields:
    """Send again what is parked."""
    return {"place": place}


@asking("skip", """postroom sagas skip A-1 charge '{"number": 7}'""")
@click.argument("place")
@click.argument("output", default="null")
def skip(place: str, output: str) -> Fields:
    """Take a parked step for done.

    OUTPUT, in JSON, takes the place of the service's answer.
    """
    return {"place": place, "output": argument_or_stdin(output)}


@asking("repair", 'postroom sagas repair A-1 --set \'saved={"id": "A-1"}\'')
@click.option(
    "--set",
    "assignments",
    type=AssignmentType(),
    multiple=True,
    required=True,
    metavar="NAME=VALUE",
    help="Set a name in the saga's data; VALUE is JSON, or else a string. May be repeated.",
)
def repair(assignments: tuple[tuple[str, msgspec.Raw], ...]) -> Fields:
    """Put other values into the data of a saga that is parked or suspended."""
    return {"data": dict(assignments)}
