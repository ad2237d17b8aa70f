"""The group of all commands about sagas."""

from __future__ import annotations

import click

from sagas.cli.asking import cancel, repair, resume, retry, signal, skip, suspend
from sagas.cli.definitions import definitions, diff, revert
from sagas.cli.reading import list_sagas, show_saga, start
from sagas.cli.scheduling import schedule_saga

COMMANDS: tuple[click.Command, ...] = (
    start,
    schedule_saga,
    list_sagas,
    show_saga,
    signal,
    cancel,
    suspend,
    resume,
    retry,
    skip,
    repair,
    definitions,
    diff,
    revert,
)


@click.group("sagas")
def sagas() -> None:
    """Start flows of several services, see where they stand, and help them on."""


for _command in COMMANDS:
    sagas.add_command(_command)
