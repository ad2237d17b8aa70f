"""One dead letter for people to read."""

from __future__ import annotations

import click
import msgspec

from runtime.cli.output import moment, printable, show, table
from runtime.views import AttemptJson, AuditJson, DeadLetterJson

ATTEMPT_COLUMNS = ("attempt", "accepted", "started", "seconds", "outcome", "error")
AUDIT_COLUMNS = ("at", "by", "action", "detail")


def describe(letter: DeadLetterJson) -> None:
    """Print event, cause with stack, attempts and audit."""
    for name, value in _facts(letter):
        if value:
            click.echo(f"{name + ':':<13}{printable(value)}")
    section("payload", msgspec.json.format(bytes(letter.payload), indent=2).decode())
    section("cause", letter.cause.stack or f"{letter.cause.type}: {letter.cause.message}")
    if letter.attempts:
        section("attempts")
        show(table(ATTEMPT_COLUMNS, map(attempt_row, letter.attempts)))
    if letter.audit:
        section("audit")
        show(table(AUDIT_COLUMNS, map(_audit, letter.audit)))


def _facts(letter: DeadLetterJson) -> list[tuple[str, object]]:
    replay = f"{letter.replayed_as} ({letter.replay_outcome or 'pending'})" if letter.replayed_as else None
    return [
        ("dead letter", letter.id),
        ("state", letter.state),
        ("service", letter.service),
        ("tenant", letter.tenant),
        ("key", letter.key),
        ("type", letter.type),
        ("accepted", f"{moment(letter.accepted_at)} from {letter.enqueued_by}"),
        ("died", f"{moment(letter.died_at)} at attempt {letter.attempt}"),
        ("because", f"{letter.cause.type}: {letter.cause.message}"),
        ("replay of", letter.origin),
        ("replayed as", replay),
    ]


def section(title: str, body: str | None = None) -> None:
    click.secho(f"\n{title}", bold=True)
    if body is not None:
        click.echo("\n".join(f"  {printable(line)}" for line in body.rstrip().splitlines()))


def attempt_row(attempt: AttemptJson) -> tuple[object, ...]:
    ran = None
    if attempt.started_at and attempt.finished_at:
        ran = f"{(attempt.finished_at - attempt.started_at).total_seconds():.3f}"
    return (
        attempt.attempt,
        moment(attempt.accepted_at),
        moment(attempt.started_at),
        ran,
        attempt.outcome or "pending",
        attempt.error,
    )


def _audit(record: AuditJson) -> tuple[object, ...]:
    return moment(record.at), record.by, record.action, record.detail
