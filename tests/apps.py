"""Apps on a test's own database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from runtime import App, Running, Settings
from runtime.tree import TreeNode
from tests.postgres import Server


def url_of(server: Server) -> str:
    """What people give to `--database`."""
    return f"postgresql://{server['user']}@/{server['database']}?host={quote(server['host'])}&port={server['port']}"


@contextlib.asynccontextmanager
async def run(app: App, server: Server, **settings: Any) -> AsyncIterator[Running]:
    """Run an app on a database, without HTTP unless asked for."""
    os.environ.pop("POSTROOM_DATABASE", None)
    async with app.running(Settings(database=url_of(server), **settings)) as running:
        yield running


def services_node(running: Running) -> TreeNode:
    """Where the tree shows the app's services."""
    return next(node for node in running.node().children if node.name == "services")


@pytest.fixture
def private_rendezvous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process find the test's own apps, and no others that run on this machine."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # apps are looked for there too
    for name in ("POSTROOM_URL", "POSTROOM_DATABASE"):
        monkeypatch.delenv(name, raising=False)
