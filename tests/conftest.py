"""Fixtures of all tests, and the event loops they run on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import uvloop

from tests.apps import private_rendezvous
from tests.dealing import dealt, groups_of
from tests.postgres import admin, database, empty_database, postgres_server, store

__all__ = ["admin", "database", "empty_database", "postgres_server", "private_rendezvous", "store"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.hookimpl(trylast=True)  # when all that is not wanted is gone
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = dealt(groups_of(items), workers)


def heedful(new_loop: LoopFactory) -> LoopFactory:
    """Makes loops that a time limit ends: what a signal's handler raises in a callback does not leave it by itself."""

    def make() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        loop.set_exception_handler(cancel_over_time_limit)
        return loop

    return make


def cancel_over_time_limit(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(error := context.get("exception"), pytest.fail.Exception):
        for task in asyncio.all_tasks(loop):
            task.cancel(str(error))
    loop.default_exception_handler(context)


ASYNCIO, UVLOOP = heedful(asyncio.new_event_loop), heedful(uvloop.new_event_loop)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Unit tests run on both loops; what needs a server runs on uvloop, as the commands do."""
    if item.path.name.startswith("test_embedded"):  # some start processes under other accounts, which uvloop cannot
        return {"asyncio": ASYNCIO}
    if item.path.is_relative_to(config.rootpath / "tests" / "unit"):
        return {"asyncio": ASYNCIO, "uvloop": UVLOOP}
    return {"uvloop": UVLOOP}
