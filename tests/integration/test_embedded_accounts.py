"""Root, ordinary users, and what each leaves for the other. Most of it can only be shown by root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from runtime.embedded import AccountError, EmbeddedServer, OwnedByRootError, account, binaries, staging
from runtime.embedded.binaries import packaged_binaries

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

NOBODY = pwd.getpwnam("nobody")

AS_USER = """
import asyncio, os, sys
from pathlib import Path
import asyncpg, encodings.ascii, encodings.idna, msgspec  # what is loaded late would not be readable any more
from actors.errors import PostroomError
from runtime.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    print(await connection.fetchval("select 6 * 7"), os.stat(server.dsn().host).st_uid, os.geteuid())
    await connection.close()
    await server.stop()

os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
try:
    asyncio.run(main())
except PostroomError as error:
    print(f"{type(error).__name__}: {error}")
"""

WITHOUT_RIGHTS = """
import asyncio, sys
from pathlib import Path
from actors.errors import PostroomError
from runtime.embedded import EmbeddedServer
try:
    asyncio.run(EmbeddedServer(Path(sys.argv[1])).start())
except PostroomError as error:
    print(f"{type(error).__name__}: {error}")
"""


def as_user(data_dir: Path, user: pwd.struct_passwd = NOBODY) -> str:
    command = [sys.executable, "-c", AS_USER, str(data_dir), str(user.pw_uid), str(user.pw_gid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stderr == ""
    return answer.stdout


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def owner(path: Path) -> int:
    return path.stat().st_uid


def supplementary_groups(pid: int) -> list[str]:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="postroom-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def closed_home() -> Iterator[Path]:
    """A home like root's: mode 0700."""
    path = Path(tempfile.mkdtemp(prefix="postroom-home-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def closed_environment(closed_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel's files of the pinned major, installed where only root can go."""
    installed = packaged_binaries()[0]
    assert installed.package is not None
    site = closed_home / "venv" / "site-packages"
    folder = installed.bindir.parent.relative_to(installed.package.parent)
    shutil.copytree(installed.bindir.parent, site / folder)
    libraries = installed.package.with_name(f"{binaries.PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name)
    (site / binaries.PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(site)
    assert packaged_binaries()[0].bindir.is_relative_to(closed_home)
    return site


async def lifecycle(data_dir: Path) -> int:
    server = EmbeddedServer(data_dir)
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    answer: int = await connection.fetchval("select 6 * 7")
    await connection.close()
    await server.stop()
    return answer


async def test_the_server_is_not_root(public: Path) -> None:
    server = EmbeddedServer(public / ".postroom")
    await server.start()
    assert server.pid is not None
    assert owner(Path(f"/proc/{server.pid}/cwd")) != 0
    assert supplementary_groups(server.pid) == []
    await server.stop()


async def test_data_and_programs_below_a_closed_home_work_and_the_home_stays_closed(
    closed_home: Path, closed_environment: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "CACHE", public / "cache")
    data_dir = closed_home / "app" / ".postroom"
    assert await lifecycle(data_dir) == 42
    assert await lifecycle(data_dir) == 42
    assert mode(closed_home) == 0o700
    assert owner(data_dir / "cluster") != 0
    copies = list((public / "cache").iterdir())
    assert [mode(copy) for copy in copies] == [0o755]
    assert owner(copies[0]) == 0


async def test_without_a_system_place_the_programs_go_to_the_temporary_directory(
    closed_home: Path, closed_environment: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusable = public / "file"
    unusable.touch()
    monkeypatch.setattr(staging, "CACHE", unusable / "cache")
    monkeypatch.setattr(tempfile, "tempdir", str(public))
    assert await lifecycle(closed_home / ".postroom") == 42
    assert list((public / "postroom-0").iterdir())


async def test_programs_in_a_place_that_others_can_write_are_not_run(
    closed_home: Path, closed_environment: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = public / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setattr(staging, "CACHE", cache)
    monkeypatch.setattr(tempfile, "tempdir", str(public))
    assert await lifecycle(closed_home / ".postroom") == 42
    assert list(cache.iterdir()) == []


async def test_a_cluster_given_to_root_is_refused_with_the_way_back(public: Path) -> None:
    await lifecycle(public)
    os.chown(public / "cluster", 0, 0)
    with pytest.raises(OwnedByRootError, match="chown -R "):
        await EmbeddedServer(public).start()


async def test_what_root_made_is_refused_to_a_user_with_the_owners_name(public: Path) -> None:
    await lifecycle(public / ".postroom")
    answer = as_user(public / ".postroom")
    assert answer.startswith("NotOwnedError: ")
    assert "belongs to root; run postroom as that user" in answer


async def test_a_directory_that_root_used_in_a_users_place_is_refused_to_the_user(public: Path) -> None:
    data_dir = public / ".postroom"
    data_dir.mkdir()
    os.chown(data_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    await lifecycle(data_dir)
    assert as_user(data_dir).startswith("NotOwnedError: ")


def test_a_user_cannot_use_a_place_that_he_cannot_write(public: Path, closed_home: Path) -> None:
    assert as_user(public / ".postroom").startswith("NotWritableError: ")
    assert as_user(closed_home / ".postroom").startswith("NotWritableError: ")


def test_an_ordinary_user_runs_a_server_of_his_own(public: Path) -> None:
    os.chown(public, NOBODY.pw_uid, NOBODY.pw_gid)
    for _ in range(2):
        assert as_user(public / ".postroom").split() == ["42", str(NOBODY.pw_uid), str(NOBODY.pw_uid)]


async def test_root_runs_a_users_cluster_as_that_user(public: Path) -> None:
    os.chown(public, NOBODY.pw_uid, NOBODY.pw_gid)
    as_user(public / ".postroom")
    server = EmbeddedServer(public / ".postroom")
    await server.start()
    assert owner(Path(f"/proc/{server.pid}/cwd")) == NOBODY.pw_uid
    await server.stop()
    assert as_user(public / ".postroom").startswith("42 ")


async def test_nobody_serves_where_there_is_no_postgres(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "CANDIDATES", ("no-such-user", "nobody"))
    await lifecycle(public)
    assert owner(public / "cluster") == NOBODY.pw_uid


async def test_root_alone_in_the_user_database_is_refused(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "CANDIDATES", ("no-such-user",))
    with pytest.raises(AccountError, match="no user named no-such-user; run postroom as an ordinary user"):
        await EmbeddedServer(public).start()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_root_without_the_right_to_change_user_is_refused(public: Path) -> None:
    confined = ["setpriv", "--bounding-set=-setuid,-setgid,-chown", sys.executable, "-c", WITHOUT_RIGHTS, str(public)]
    answer = subprocess.run(confined, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("AccountError: cannot become uid "), answer
    assert "run postroom as an ordinary user" in answer.stdout
