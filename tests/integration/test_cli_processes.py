"""`postroom run --processes N`, and separate starts on one data directory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from operator import methodcaller
from pathlib import Path

import pytest

from runtime.cli.client import Client
from runtime.member_views import MemberJson
from tests.integration.test_cli_run import LISTENING, answer, asked, home, postroom, running, start, told

__all__ = ["home"]

RECORDER = """
import os
import msgspec
from actors import Actor
from runtime.app import App

class Step(msgspec.Struct):
    n: int

class Recorder(Actor):
    async def step(self, step: Step) -> None:
        with open("steps", "a") as steps:
            steps.write(f"{self.ctx.key} {step.n} {os.getpid()}\\n")

app = App("recorder")
app.service("steps", Recorder, keyed=True)
"""
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02


@pytest.fixture(autouse=True)
def recorder(home: Path) -> Path:
    (home / "recorder.py").write_text(RECORDER)
    (home / "other.py").write_text(RECORDER.replace('App("recorder")', 'App("other")'))
    return home


@contextlib.asynccontextmanager
async def family(home: Path, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await start(home, "run", "recorder:app", "--processes", str(count), "--http", "127.0.0.1:0")
    assert program.stdout is not None
    try:
        assert f"starting {count} processes" in (await program.stdout.readline()).decode()
        assert LISTENING in (await program.stdout.readline()).decode()
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
            await program.communicate()


async def members(home: Path, count: int, *, gone: int | None = None) -> list[MemberJson]:
    """The members, once there are so many, each has its share, and the process `gone` is none of them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answered = await asked(home, Client.members)
            found = [each for each in answered.members if pid_of(each) != gone] if answered is not None else []
            shares = [len(member.shards) for member in found]
            if len(found) == count and sum(shares) == 64 and max(shares) - min(shares) <= 1:
                return found
            await asyncio.sleep(POLL_SECONDS)


async def send(home: Path, count: int) -> None:
    for n in range(count):
        body = {"tenant": "a", "key": f"k{n}", "payload": {"n": n}}
        assert await asked(home, methodcaller("enqueue", "steps", body)) is not None


async def steps(home: Path, count: int) -> list[list[str]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            path = home / "steps"
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) >= count:
                return [line.split() for line in lines]
            await asyncio.sleep(POLL_SECONDS)


def pid_of(member: MemberJson) -> int:
    return int(member.process.rpartition(":")[2])


async def test_processes_share_the_work_one_that_is_killed_is_started_anew_and_all_stop_together(home: Path) -> None:
    async with family(home, 2) as parent:
        found = await members(home, 2)
        _, table, _ = await postroom(home, "members")
        assert [line.split()[1] for line in table.splitlines()] == ["shards", "32", "32"]
        assert "answered this" in table
        assert len((await answer(home, "members"))["members"]) == 2
        await send(home, 8)
        first = await steps(home, 8)
        assert {int(pid) for _, _, pid in first} == {pid_of(member) for member in found}
        killed = pid_of(next(member for member in found if not member.answers))
        os.kill(killed, signal.SIGKILL)
        await told(parent, "ended with signal 9 and is started anew")
        again = await members(home, 2, gone=killed)
        assert {pid_of(member) for member in again} != {pid_of(member) for member in found}
        parent.send_signal(signal.SIGINT)
        await parent.communicate()
        assert parent.returncode == 0
    assert sorted(int(n) for _, n, _ in await steps(home, 8)) == list(range(8))


async def test_processes_end_when_their_parent_is_killed(home: Path) -> None:
    async with family(home, 2) as parent:
        await members(home, 2)
        parent.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await parent.communicate()  # they hold the other ends of its output


async def test_a_second_run_on_the_same_directory_joins_and_takes_over_when_the_first_ends(home: Path) -> None:
    async with running(home, "recorder:app") as first:
        second = await start(home, "run", "recorder:app", "--no-http")
        await members(home, 2)
        await send(home, 4)
        await steps(home, 4)
        first.terminate()
        await first.communicate()
        assert second.returncode is None
        async with running(home, "recorder:app"):
            await members(home, 2)
            await send(home, 4)
            await steps(home, 8)
        second.terminate()
        await second.communicate()
        assert second.returncode == 0


async def test_another_app_on_the_same_database_is_refused_with_the_way_out(home: Path) -> None:
    async with running(home, "recorder:app"):
        status, _, err = await postroom(home, "run", "other:app", "--no-http")
    assert status == 1
    assert "the app recorder is running on this database" in err
    assert "--schema" in err
    assert "Traceback" not in err


async def test_a_process_that_cannot_start_ends_all_with_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        parent = await start(home, "run", "recorder:app", "--processes", "2", "--http", address)
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, err = await parent.communicate()
    assert parent.returncode == 1
    assert err.decode().splitlines()[-1].startswith("postroom: error: process 0 keeps ending")
