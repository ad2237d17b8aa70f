"""A disk without room, for real: a tiny file system where root may mount one, and a limit on the size of files."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from runtime.embedded import DiskFullError, EmbeddedServer

LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from actors.errors import PostroomError
from runtime.embedded import EmbeddedServer
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    await server.stop()

try:
    asyncio.run(main())
    print("ran")
except PostroomError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    path = tmp_path / "tiny"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(directory: Path, leave_bytes: int = 0) -> Path:
    """Take all the room in `directory` but the last `leave_bytes`."""
    filler = directory / "filler"
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_bsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leave_bytes)
    return filler


def start_limited(data_dir: Path, max_file_bytes: int) -> str:
    command = [sys.executable, "-c", LIMITED, str(data_dir), str(max_file_bytes)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("leave_bytes", [0, 65536, 20 * 1024 * 1024])
async def test_a_full_disk_at_the_first_start_is_told_and_leaves_no_half_cluster(tiny: Path, leave_bytes: int) -> None:
    filler = fill(tiny, leave_bytes)
    with pytest.raises(DiskFullError, match="free some space") as caught:
        await EmbeddedServer(tiny / ".postroom").start()
    assert "\n" not in str(caught.value)
    assert not (tiny / ".postroom" / "cluster").exists()
    filler.unlink()
    server = EmbeddedServer(tiny / ".postroom")
    await server.start()
    await server.stop()


async def test_a_disk_that_is_full_at_a_later_start_is_told_and_nothing_is_lost(tiny: Path) -> None:
    server = EmbeddedServer(tiny / ".postroom")
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    await connection.execute("create table kept as select 42 as answer")
    await connection.close()
    await server.stop()
    filler = fill(tiny)
    with pytest.raises(DiskFullError, match="No space left on device"):
        await server.start()
    filler.unlink()
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    assert await connection.fetchval("select answer from kept") == 42
    await connection.close()
    await server.stop()


async def test_a_disk_that_fills_up_while_it_runs_takes_no_commit_along(tiny: Path) -> None:
    server = EmbeddedServer(tiny / ".postroom")
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    await connection.execute("create table kept (n int)")
    filler = fill(tiny)
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await connection.execute("insert into kept select generate_series(1, 3000000)")
    connection.terminate()
    filler.unlink()
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    assert await connection.fetchval("select count(*) from kept") == 0
    await connection.close()
    await server.stop()


@pytest.mark.parametrize("max_file_bytes", [2, 40_000, 1024 * 1024])
def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path, max_file_bytes: int) -> None:
    answer = start_limited(tmp_path / ".postroom", max_file_bytes)
    assert answer.startswith("DiskFullError: "), answer
    assert not (tmp_path / ".postroom" / "cluster").exists()
    assert start_limited(tmp_path / ".postroom", resource.RLIM_INFINITY) == "ran\n"
