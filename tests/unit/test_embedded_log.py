"""The server's log is bounded and never the app's problem."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from runtime.embedded.log import MAX_BYTES, TAIL_BYTES, ServerLog


def sizes_in(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in directory.iterdir()}


async def test_a_log_that_cannot_be_written_is_reported_once_and_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = ServerLog(tmp_path)
    with caplog.at_level(logging.WARNING):
        log.data_received(b"one\n")
        log.data_received(b"two\n")
    assert len(caplog.records) == 1
    assert log.tail == "one\ntwo\n"


async def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept", encoding="ascii")
    path = tmp_path / "postgres.log"
    path.symlink_to(target)
    ServerLog(path).data_received(b"overwritten\n")
    assert target.read_text(encoding="ascii") == "kept"


async def test_the_files_stay_within_their_limit(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    for _ in range(40):
        log.data_received(b"x" * (MAX_BYTES // 10))
    sizes = sizes_in(tmp_path)
    assert set(sizes) <= {"postgres.log", "postgres.log.1"}
    assert max(sizes.values()) <= MAX_BYTES * 1.1


async def test_the_tail_is_the_end_of_what_was_written(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    log.data_received(b"a" * TAIL_BYTES)
    log.data_received(b"end")
    assert len(log.tail) == TAIL_BYTES
    assert log.tail.endswith("aend")


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    ServerLog(path).data_received(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
