"""`postroom send`: one event from the command line."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

import click

from actors.job import DAY_SECONDS, Finalizer, Signature, SignatureScope
from runtime.cli.output import examples, json_option, print_json
from runtime.cli.payload import argument_or_stdin
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options


@click.command(
    epilog=examples(
        """postroom send arrivals --tenant UA --key N14228 '{"flight": 1545, "arr_delay": 11}'""",
        "postroom send arrivals --tenant UA --delay 60 - < flight.json",
        """postroom send reports --tenant UA --signature 2026-01 --finalizer mails '{"month": "2026-01"}'""",
    ),
)
@click.argument("service")
@click.argument("payload")
@click.option("--tenant", required=True, metavar="T", help="Whose event it is.")
@click.option("--key", metavar="K", help="The instance it is for; a keyed service needs one.")
@click.option("--type", "type_name", metavar="NAME", help="The message's name, where the service takes several.")
@click.option("--id", "event_id", type=click.UUID, help="An id of your own (UUIDv7): sending it twice is harmless.")
@click.option("--delay", "delay_seconds", type=float, default=0.0, metavar="SECONDS", help="Run it this much later.")
@click.option("--finalizer", metavar="SERVICE", help="A service that is told how it ended.")
@click.option("--signature", metavar="TEXT", help="Store it unless another event holds TEXT; then print that one's id.")
@click.option(
    "--signature-scope",
    type=click.Choice(get_args(SignatureScope)),
    default="tenant",
    show_default=True,
    help="Among whose events of the service, or among all.",
)
@click.option(
    "--signature-seconds",
    type=click.FloatRange(0, min_open=True),
    default=DAY_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long TEXT is held.",
)
@by_option
@target_options
@json_option
def send(
    service: str,
    payload: str,
    tenant: str,
    key: str | None,
    type_name: str | None,
    event_id: UUID | None,
    delay_seconds: float,
    finalizer: str | None,
    signature: str | None,
    signature_scope: SignatureScope,
    signature_seconds: float,
    by: str,
    app: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """Enqueue one event for a service.

    Its id is printed when it is on disk.
    PAYLOAD is the message as JSON, or - to read it from standard input.
    """
    body: dict[str, object] = {
        "tenant": tenant,
        "key": key,
        "type": type_name,
        "payload": argument_or_stdin(payload),
        "id": event_id,
        "delay_seconds": delay_seconds,
        "by": by,
    }
    if finalizer is not None:
        body["finalizer"] = Finalizer(service=finalizer)
    if signature is not None:
        body["signature"] = Signature(signature, signature_scope, signature_seconds)
    accepted = connect(app, url).enqueue(service, body)
    if as_json:
        print_json(accepted)
    else:
        click.echo(str(accepted.id))
        if accepted.duplicate:
            click.echo("nothing was stored: that event holds the signature", err=True)
