"""One runtime per data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded.errors import DataDirectoryInUseError, NotWritableError
from runtime.embedded.lock import LOCK_FILE, DirectoryLock

HOLDER = """
import sys
from pathlib import Path
from runtime.embedded.lock import DirectoryLock
DirectoryLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_the_first_ones_pid(tmp_path: Path) -> None:
    first, second = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    first.acquire()
    with pytest.raises(DataDirectoryInUseError) as caught:
        second.acquire()
    assert caught.value.pid == os.getpid()
    first.release()


def test_another_process_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DataDirectoryInUseError, match=f"in use by process {holder.pid};"):
            DirectoryLock(tmp_path).acquire()
        holder.kill()
    lock = DirectoryLock(tmp_path)
    lock.acquire()
    lock.release()


def test_a_holder_that_has_not_written_its_pid_is_another_process(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path)
    first.acquire()
    (tmp_path / LOCK_FILE).write_text("", encoding="ascii")
    with pytest.raises(DataDirectoryInUseError, match="in use by another process"):
        DirectoryLock(tmp_path).acquire()
    first.release()


def test_a_pid_left_in_the_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text("1\n", encoding="ascii")
    lock = DirectoryLock(tmp_path)
    lock.acquire()
    assert (tmp_path / LOCK_FILE).read_text(encoding="ascii") == f"{os.getpid()}\n"
    lock.release()


def test_acquire_and_release_are_safe_twice(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    lock.release()
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()
    other = DirectoryLock(tmp_path)
    other.acquire()
    other.release()


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept", encoding="ascii")
    (tmp_path / LOCK_FILE).symlink_to(target)
    with pytest.raises(NotWritableError):
        DirectoryLock(tmp_path).acquire()
    assert target.read_text(encoding="ascii") == "kept"
