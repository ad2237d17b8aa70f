"""Which programs run which cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from runtime.embedded import BinariesMissingError, EmbeddedServer, MajorVersionError, binaries
from runtime.embedded.account import server_account
from runtime.embedded.binaries import PINNED_MAJOR, Binaries, packaged_binaries, system_binaries
from runtime.embedded.cluster import create_cluster


async def running_major(server: EmbeddedServer) -> Any:
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    try:
        return await connection.fetchval("select current_setting('server_version_num')::int / 10000")
    finally:
        await connection.close()


def write_version(data_dir: Path, major: int) -> None:
    (data_dir / "cluster" / "PG_VERSION").write_text(f"{major}\n", encoding="ascii")


async def make_cluster(data_dir: Path, made_by: Binaries) -> None:
    await create_cluster(data_dir / "cluster", made_by, server_account(data_dir / "cluster"))


async def test_a_cluster_of_a_major_without_programs_is_left_alone(tmp_path: Path) -> None:
    await make_cluster(tmp_path, packaged_binaries()[0])
    write_version(tmp_path, 13)
    with pytest.raises(MajorVersionError, match="was made by PostgreSQL 13") as caught:
        await EmbeddedServer(tmp_path).start()
    assert caught.value.major == 13
    assert "\n" not in str(caught.value)


async def test_without_any_programs_a_start_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinariesMissingError, match="install PostgreSQL"):
        await EmbeddedServer(tmp_path).start()


async def test_the_programs_of_the_pinned_major_are_in_the_wheel() -> None:
    assert packaged_binaries()[0].major == PINNED_MAJOR


async def test_a_cluster_keeps_its_major_when_the_pinned_one_is_newer(tmp_path: Path) -> None:
    older = [found for found in packaged_binaries() if found.major != PINNED_MAJOR]
    if not older:
        pytest.skip("the wheel holds one major only")
    await make_cluster(tmp_path, older[0])
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert await running_major(server) == older[0].major
    await server.stop()


async def test_the_systems_programs_serve_where_the_wheel_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await system_binaries(server_account(tmp_path / "cluster"))
    if not found:
        pytest.skip("no PostgreSQL is installed in the system")
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert await running_major(server) == found[0].major
    await server.stop()
    monkeypatch.undo()
    await server.start()
    assert await running_major(server) == found[0].major
    await server.stop()
