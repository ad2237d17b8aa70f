"""Fixtures of all tests, and the event loops they run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.postgres import admin, database, empty_database, postgres_server, store

__all__ = ["admin", "database", "empty_database", "postgres_server", "store"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Unit tests run on both loops; what needs a server runs on uvloop, as the commands do."""
    if item.path.name.startswith("test_embedded"):  # some start processes under other accounts, which uvloop cannot
        return {"asyncio": asyncio.new_event_loop}
    if item.path.is_relative_to(config.rootpath / "tests" / "unit"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
