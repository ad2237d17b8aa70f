"""Which dead letters a command acts on, and how it acts on many."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import track

from actors.errors import PostroomError
from runtime.cli.desk import Desk
from runtime.cli.output import printable
from runtime.operations import MAX_PAGE
from runtime.store.records import DeadLetterFilter


class Selection(msgspec.Struct, frozen=True):
    """The ids given, or with `everything` all open dead letters of a service and tenant."""

    ids: tuple[UUID, ...]
    everything: bool
    service: str | None
    tenant: str | None
    yes: bool

    def __post_init__(self) -> None:
        if bool(self.ids) == self.everything:
            raise click.UsageError("Give the ids of dead letters, or --all.")
        if self.ids and (self.service or self.tenant):
            raise click.UsageError("--service and --tenant go with --all.")

    def resolve(self, desk: Desk, verb: str) -> Sequence[UUID]:
        """The ids to act on; asks first where they were not given one by one."""
        if not self.everything:
            return self.ids
        found = all_open(desk, self.service, self.tenant)
        if found and not self.yes:
            click.confirm(f"{verb} {len(found):,} dead letters?", abort=True, err=True)
        return found


class Failure(msgspec.Struct, frozen=True):
    id: UUID
    error: str


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, and pass what they mean as `selection`."""

    @click.argument("ids", nargs=-1, type=click.UUID, metavar="[ID]...")
    @click.option("--all", "everything", is_flag=True, help="All open ones, or those of --service and --tenant.")
    @click.option("--service", metavar="NAME", help="With --all: of this service only.")
    @click.option("--tenant", metavar="T", help="With --all: of this tenant only.")
    @click.option("--yes", is_flag=True, help="With --all: do not ask.")
    @functools.wraps(command)
    def with_selection(
        *, ids: tuple[UUID, ...], everything: bool, service: str | None, tenant: str | None, yes: bool, **rest: Any
    ) -> Any:
        return command(selection=Selection(ids, everything, service, tenant, yes), **rest)

    return with_selection


def all_open(desk: Desk, service: str | None, tenant: str | None) -> list[UUID]:
    """Every open dead letter at this moment, read page by page before anything changes them."""
    found: list[UUID] = []
    which = DeadLetterFilter(service=service, tenant=tenant, limit=MAX_PAGE)
    while True:
        page = desk.dead_letters(which)
        found.extend(letter.id for letter in page.dead_letters)
        if page.next is None:
            return found
        which = msgspec.structs.replace(which, before=page.next)


def act_on_each(ids: Sequence[UUID], act: Callable[[UUID], None]) -> list[Failure]:
    """Act on one after another. One that fails is told and does not stop the others."""
    failures: list[Failure] = []
    watched = len(ids) > 1 and sys.stderr.isatty()
    for event_id in track(ids, description="", console=Console(stderr=True), disable=not watched):
        try:
            act(event_id)
        except PostroomError as error:
            failures.append(Failure(event_id, str(error)))
            click.echo(f"postroom: error: {event_id}: {printable(error)}", err=True)
    return failures
