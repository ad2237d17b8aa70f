"""`postroom explain`: why an event waits."""

from __future__ import annotations

import contextlib
from uuid import UUID

import click

from actors.errors import PostroomError
from runtime.cli.client import Client
from runtime.cli.output import duration, examples, json_option, print_json
from runtime.cli.target import connect, target_options
from runtime.core.explanation import Explanation


@click.command(
    epilog=examples(
        "postroom explain 0193d5a2-5d1c-7c3e-9a51-2f4e6c1b7a90",
        "postroom explain ID --json",
    )
)
@click.argument("event_id", metavar="ID", type=click.UUID)
@target_options
@json_option
def explain(event_id: UUID, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Say why an event waits.

    Its place, how its tenant stands, all that holds it, and when it is likely to start. Where another process has the
    event, that one is asked, if it can be reached from here.
    """
    found = connect(app, url).explain(event_id)
    if found.elsewhere is not None and found.elsewhere.url is not None:
        with contextlib.suppress(PostroomError):
            found = Client(found.elsewhere.url).explain(event_id)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Explanation) -> list[str]:
    lines = [f"{found.id} of {found.tenant} in {found.service} is {found.status}"]
    if found.place is not None:
        lines.append(f"  place: {found.place:,} of its tenant's")
    if found.share is not None:
        share = found.share
        lines.append(f"  tenant: fills {share.slots:,} slots, {share.waiting:,} events wait")
        lines.append(f"  share: weight {share.weight:g}, lag {share.lag:+.3g} s")
    if found.work_class is not None:
        lines.append(f"  class of work: {found.work_class}")
    lines += [f"  {reason.cause}: {reason.detail}" for reason in found.reasons]
    if found.expected_seconds is not None and found.status not in {"processing", "completed"}:
        lines.append(f"  expected to start in {duration(found.expected_seconds)}")
    return lines
