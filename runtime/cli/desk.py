"""Where dead letters are found: in a running app, or straight in the store while none runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from runtime.cells.rendezvous import running_apps
from runtime.cli.client import Client
from runtime.cli.database import require_database_url
from runtime.cli.target import NoRunningAppError, connect
from runtime.operations import DeadLetterOperations
from runtime.settings import DEFAULT_DATA_DIR, Settings
from runtime.store.records import DeadLetterFilter
from runtime.views import DeadLetterJson, DeadLetterPage, dead_letter_json, page_json

T = TypeVar("T")


class Desk(Protocol):
    """What one can do with dead letters."""

    def dead_letters(self, which: DeadLetterFilter) -> DeadLetterPage: ...
    def dead_letter(self, event_id: UUID) -> DeadLetterJson: ...
    def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID: ...
    def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None: ...


class OfflineDesk:
    """Carries calls out in an event loop that lives as long as the command."""

    def __init__(self, operations: DeadLetterOperations, runner: asyncio.Runner) -> None:
        self._operations = operations
        self._runner = runner

    def dead_letters(self, which: DeadLetterFilter) -> DeadLetterPage:
        return page_json(self._run(self._operations.dead_letters(which)), which.limit)

    def dead_letter(self, event_id: UUID) -> DeadLetterJson:
        return dead_letter_json(self._run(self._operations.dead_letter(event_id)))

    def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        return self._run(self._operations.replay(event_id, by=by, payload=payload))

    def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        self._run(self._operations.discard(event_id, by=by, reason=reason))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)


@contextmanager
def open_desk(
    *, app: str | None, url: str | None, data_dir: Path | None, database: str | None, schema: str
) -> Iterator[Client | OfflineDesk]:
    """The dead letters of the app or store that the options name.

    An app that runs is asked, also where `data_dir` is its directory. Otherwise the store is opened: `database`,
    else `data_dir`, else POSTROOM_DATABASE, else `.postroom` if it exists.

    Raises:
        NoRunningAppError: none runs, and no store is named or found.
    """
    if url or app or not (data_dir or database):
        client = _running(app, url)
        if client is not None:
            yield client
            return
        database = os.environ.get("POSTROOM_DATABASE")
    elif data_dir and (owner := _owner_of(data_dir)):
        yield owner
        return
    with _offline(_settings(data_dir, database, schema)) as desk:
        yield desk


def _running(app: str | None, url: str | None) -> Client | None:
    try:
        return connect(app, url)
    except NoRunningAppError:
        if app:
            raise
        return None


def _owner_of(data_dir: Path) -> Client | None:
    wanted = str(data_dir.resolve())
    return next((Client(each.url) for each in running_apps() if each.data_dir == wanted), None)


def _settings(data_dir: Path | None, database: str | None, schema: str) -> Settings:
    if database:
        return Settings(database=require_database_url(database), schema=schema)
    directory = data_dir or DEFAULT_DATA_DIR
    if not directory.is_dir():
        raise NoRunningAppError(
            f"no app is running and there is no data directory {str(directory)!r};"
            " start an app with: postroom run MODULE:APP, or name its store with --data DIR or --database URL"
        )
    return Settings(data_dir=directory, schema=schema)


@contextmanager
def _offline(settings: Settings) -> Iterator[OfflineDesk]:
    from runtime.offline import offline_operations  # noqa: PLC0415 # the database driver is needed only here

    with asyncio.Runner() as runner:
        opening = offline_operations(settings)
        desk = OfflineDesk(runner.run(opening.__aenter__()), runner)
        try:
            yield desk
        finally:
            runner.run(opening.__aexit__(None, None, None))
