"""Where the socket goes when the data directory's path is too long for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.embedded.account import Account
from runtime.embedded.socket_dir import MAX_PATH_BYTES, SOCKET_NAME, fits_a_socket, short_socket_dir

ME = Account(uid=os.geteuid(), gid=os.getegid())


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = short_socket_dir(tmp_path, ME)
    yield made
    shutil.rmtree(made)


def test_the_limit_is_in_bytes_and_exact() -> None:
    room = MAX_PATH_BYTES - len(f"//{SOCKET_NAME}")
    assert fits_a_socket(Path("/" + "x" * room))
    assert not fits_a_socket(Path("/" + "x" * (room + 1)))
    assert not fits_a_socket(Path("/" + "ü" * (room // 2 + 1)))


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a'b", "@a", "a\nb"])
def test_a_path_that_reads_as_a_list_is_not_used(name: str) -> None:
    assert not fits_a_socket(Path("/srv") / name)


def test_it_is_short_private_and_the_same_each_time(directory: Path, tmp_path: Path) -> None:
    assert fits_a_socket(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert short_socket_dir(tmp_path, ME) == directory


def test_a_directory_that_others_may_enter_is_not_trusted(directory: Path, tmp_path: Path) -> None:
    directory.chmod(0o755)
    other = short_socket_dir(tmp_path, ME)
    assert other != directory
    assert other.stat().st_mode & 0o777 == 0o700
    other.rmdir()


def test_a_link_in_its_place_is_not_trusted(directory: Path, tmp_path: Path) -> None:
    directory.rmdir()
    directory.symlink_to(tmp_path)
    other = short_socket_dir(tmp_path, ME)
    assert other != directory
    other.rmdir()
    directory.unlink()
    directory.mkdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
def test_another_users_directory_is_not_trusted(directory: Path, tmp_path: Path) -> None:
    os.chown(directory, 12345, 12345)
    other = short_socket_dir(tmp_path, ME)
    assert other != directory
    other.rmdir()
