"""`postroom dead-letters`: what failed for good, and what to do about it."""

from __future__ import annotations

from typing import IO, Literal
from uuid import UUID

import click
import msgspec

from runtime.cli.letter import describe
from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.payload import AssignmentType, read_file, with_fields
from runtime.cli.person import by_option
from runtime.cli.place import Place, place_options
from runtime.cli.selection import Failure, Selection, act_on_each, selection_options
from runtime.operations import MAX_PAGE
from runtime.store.records import DeadLetterFilter, DeadLetterState
from runtime.views import DeadLetterJson, DeadLetterPage

COLUMNS = ("id", "died", "state", "tenant", "service", "key", "type", "cause")


class Replayed(msgspec.Struct, frozen=True):
    id: UUID
    replayed_as: UUID


class ReplayReport(msgspec.Struct, frozen=True):
    replayed: list[Replayed]
    failed: list[Failure]


class DiscardReport(msgspec.Struct, frozen=True):
    discarded: list[UUID]
    failed: list[Failure]


@click.group("dead-letters")
def dead_letters() -> None:
    """See, replay and discard the events that failed for good.

    They are looked for in the running app; while none runs, in its store: --data DIR, --database URL, the database
    that POSTROOM_DATABASE names, or ./.postroom. What is replayed in a store runs at the app's next start.
    """


@dead_letters.command(
    "list",
    epilog=examples(
        "postroom dead-letters list --service arrivals --tenant UA",
        "postroom dead-letters list --state all --limit 500 --json",
    ),
)
@click.option("--service", metavar="NAME", help="Of this service only.")
@click.option("--tenant", metavar="T", help="Of this tenant only.")
@click.option("--state", type=click.Choice(["open", "replayed", "discarded", "all"]), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@click.option("--before", type=click.UUID, metavar="ID", help="Only older ones than this: the next page.")
@place_options
@json_option
def list_letters(
    place: Place,
    service: str | None,
    tenant: str | None,
    state: Literal[DeadLetterState, "all"],
    limit: int,
    before: UUID | None,
    *,
    as_json: bool,
) -> None:
    """List dead letters, newest first."""
    wanted = None if state == "all" else state
    which = DeadLetterFilter(service=service, tenant=tenant, state=wanted, limit=limit, before=before)
    with place() as desk:
        page = desk.dead_letters(which)
    if as_json:
        print_json(page)
    else:
        _show_page(page, state)


def _show_page(page: DeadLetterPage, state: str) -> None:
    if not page.dead_letters:
        click.echo("no dead letters" if state == "all" else f"no {state} dead letters")
        return
    show(table(COLUMNS, map(_row, page.dead_letters), whole=("id", "died")))
    if page.next:
        click.echo(f"for older ones add: --before {page.next}", err=True)


def _row(letter: DeadLetterJson) -> tuple[object, ...]:
    cause = f"{letter.cause.type}: {letter.cause.message}"
    return (
        letter.id,
        moment(letter.died_at),
        letter.state,
        letter.tenant,
        letter.service,
        letter.key,
        letter.type,
        cause,
    )


@dead_letters.command(
    "show",
    epilog=examples(
        "postroom dead-letters show 0193d5a2-5d1c-7c3e-9a51-2f4e6c1b7a90",
    ),
)
@click.argument("event_id", metavar="ID", type=click.UUID)
@place_options
@json_option
def show_letter(place: Place, event_id: UUID, *, as_json: bool) -> None:
    """Show one dead letter.

    The event, why it died, its attempts, and what people did about it.
    """
    with place() as desk:
        letter = desk.dead_letter(event_id)
    if as_json:
        print_json(letter)
    else:
        describe(letter)


@dead_letters.command(
    "replay",
    epilog=examples(
        "postroom dead-letters replay ID",
        "postroom dead-letters replay ID --set arr_delay=11",
        "postroom dead-letters replay ID --payload mended.json",
        "postroom dead-letters replay --all --service arrivals --tenant UA",
    ),
)
@selection_options
@click.option("--payload", "file", type=click.File("rb"), metavar="FILE", help="Replace the payload (- for stdin).")
@click.option(
    "--set",
    "assignments",
    type=AssignmentType(),
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field of the payload; VALUE is JSON, or else a string. May be repeated.",
)
@by_option
@place_options
@json_option
def replay_letters(
    place: Place,
    selection: Selection,
    file: IO[bytes] | None,
    assignments: tuple[tuple[str, msgspec.Raw], ...],
    by: str,
    *,
    as_json: bool,
) -> None:
    """Run dead letters again as new events.

    The payload may be replaced or mended on the way. The dead letter stays, marked as replayed.
    """
    if file and (assignments or len(selection.ids) != 1):
        raise click.UsageError("--payload goes with one id and without --set.")
    replacement = read_file(file)
    report = ReplayReport([], [])
    with place() as desk:

        def replay(event_id: UUID) -> None:
            payload = replacement
            if assignments:
                payload = with_fields(bytes(desk.dead_letter(event_id).payload), dict(assignments))
            report.replayed.append(Replayed(event_id, desk.replay(event_id, by=by, payload=payload)))

        report.failed.extend(act_on_each(selection.resolve(desk, "Replay"), replay))
    lines = [f"{each.id} runs again as {each.replayed_as}" for each in report.replayed]
    _finish(report, lines, report.failed, selection, "replayed", as_json=as_json)


@dead_letters.command(
    "discard",
    epilog=examples(
        'postroom dead-letters discard ID --reason "test data"',
        "postroom dead-letters discard --all --tenant TEST --yes",
    ),
)
@selection_options
@click.option("--reason", metavar="TEXT", help="Why, for the audit.")
@by_option
@place_options
@json_option
def discard_letters(place: Place, selection: Selection, reason: str | None, by: str, *, as_json: bool) -> None:
    """Give dead letters up. They stay in the list under --state discarded."""
    report = DiscardReport([], [])
    with place() as desk:

        def discard(event_id: UUID) -> None:
            desk.discard(event_id, by=by, reason=reason)
            report.discarded.append(event_id)

        report.failed.extend(act_on_each(selection.resolve(desk, "Discard"), discard))
    lines = [f"{event_id} discarded" for event_id in report.discarded]
    _finish(report, lines, report.failed, selection, "discarded", as_json=as_json)


def _finish(
    report: ReplayReport | DiscardReport,
    lines: list[str],
    failed: list[Failure],
    selection: Selection,
    verb: str,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(report)
    elif selection.everything:
        click.echo(f"{len(lines):,} {verb}, {len(failed):,} failed")
    else:
        click.echo("\n".join(lines), nl=bool(lines))
    if failed:
        raise click.exceptions.Exit(1)
