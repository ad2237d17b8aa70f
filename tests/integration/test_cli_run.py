"""`postroom run` as a program of its own, with a real store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from actors.errors import PostroomError
from runtime.cli.client import Client
from runtime.store.records import DeadLetterFilter

T = TypeVar("T")

FLIGHTS = """
import msgspec
from actors import Actor, RetryPolicy
from runtime.app import App

class Flight(msgspec.Struct):
    carrier: str
    arr_delay: float | None = None

class Arrivals(Actor):
    async def arrived(self, flight: Flight) -> None:
        if flight.arr_delay is None:
            raise ValueError(f"{flight.carrier}: no arrival delay")

app = App("flights")
app.service("arrivals", Arrivals, keyed=True, retry=RetryPolicy(attempts=1))
"""
SLOW = """
import asyncio
import msgspec
from actors import Actor
from runtime.app import App

class Job(msgspec.Struct):
    pass

class Worker(Actor):
    async def work(self, job: Job) -> None:
        reader, writer = await asyncio.open_unix_connection("gate")
        await reader.read()
        writer.write(b"done")
        writer.close()
        await writer.wait_closed()

app = App("slow")
app.service("jobs", Worker)
"""


class Gate:
    """Where handlers of the slow app wait until it is opened, and say when they are done."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.passed = asyncio.Event()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.entered.set()
        await self.opened.wait()
        with contextlib.suppress(ConnectionError):  # its handler may have been cut off meanwhile
            writer.write_eof()
            if await reader.read() == b"done":
                self.passed.set()
        writer.close()


LISTENING = "is running: HTTP on "


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "flights.py").write_text(FLIGHTS)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


@pytest.fixture
async def gate(home: Path) -> AsyncIterator[Gate]:
    gate = Gate()
    async with await asyncio.start_unix_server(gate.attend, home / "gate"):
        yield gate


async def start(home: Path, *arguments: str) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    environment["XDG_RUNTIME_DIR"] = str(home / "run")
    environment["TMPDIR"] = str(home)  # other apps of this user may be running; they are none of the test's
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from runtime.cli import main; main(prog_name='postroom')",
        *arguments,
        cwd=home,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def postroom(home: Path, *arguments: str) -> tuple[int | None, str, str]:
    program = await start(home, *arguments)
    out, err = await program.communicate()
    return program.returncode, out.decode(), err.decode()


async def answer(home: Path, *arguments: str) -> Any:
    status, out, err = await postroom(home, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


async def asked(home: Path, question: Callable[[Client], T]) -> T | None:
    """What a running app answers to this process, as a command takes long to start; None if none answers."""
    for file in (home / "run" / "postroom").glob("*.json"):
        with contextlib.suppress(FileNotFoundError, PostroomError):
            return await asyncio.to_thread(question, Client(json.loads(file.read_text())["url"]))
    return None


@contextlib.asynccontextmanager
async def running(home: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`postroom run`, once it says that it runs; stopped at the end if it still does."""
    program = await start(home, "run", *arguments, "--http", "127.0.0.1:0")
    assert program.stdout is not None
    try:
        line = (await program.stdout.readline()).decode()
        if LISTENING not in line:
            _, err = await program.communicate()
            raise AssertionError(line + err.decode())
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
            await program.communicate()


async def told(program: asyncio.subprocess.Process, words: str) -> None:
    """Read the log until a line says so."""
    assert program.stderr is not None
    async with asyncio.timeout(20):
        while words not in (line := (await program.stderr.readline()).decode()):
            assert line, f"it ended without saying {words!r}"


async def test_a_dead_letter_is_seen_mended_and_replayed_while_the_app_runs_and_while_it_does_not(home: Path) -> None:
    async with running(home, "flights:app") as app:
        status, out, _ = await postroom(home, "tree")
        assert status == 0
        assert "arrivals  service  running" in out
        for _ in range(2):
            await answer(home, "send", "arrivals", "--tenant", "UA", "--key", "N1", '{"carrier":"UA"}')
        await until_dead(home, 2)
        newest, oldest = (letter["id"] for letter in (await answer(home, "dead-letters", "list"))["dead_letters"])
        shown = await answer(home, "dead-letters", "show", newest)
        assert "flights.py" in shown["cause"]["stack"]
        await answer(home, "dead-letters", "replay", newest, "--set", "arr_delay=1")
        app.terminate()
        assert await app.wait() == 0
    assert (await postroom(home, "tree"))[0] == 1
    assert [each["id"] for each in (await answer(home, "dead-letters", "list"))["dead_letters"]] == [oldest]
    await answer(home, "dead-letters", "replay", oldest, "--set", "arr_delay=2", "--by", "ann")
    async with running(home, "flights:app"):
        replayed = await answer(home, "dead-letters", "show", oldest)
        assert replayed["audit"][0]["by"] == "ann"
        assert replayed["replay_outcome"] in {"done", "pending"}
        assert (await answer(home, "dead-letters", "list"))["dead_letters"] == []


async def until_dead(home: Path, count: int) -> None:
    async with asyncio.timeout(20):
        while True:
            page = await asked(home, lambda client: client.dead_letters(DeadLetterFilter()))
            if page is not None and len(page.dead_letters) >= count:
                return


async def test_sigterm_lets_what_runs_finish(home: Path, gate: Gate) -> None:
    async with running(home, "slow:app") as app:
        await answer(home, "send", "jobs", "--tenant", "a", "{}")
        await gate.entered.wait()
        app.send_signal(signal.SIGTERM)
        await told(app, "finishing what runs")
        gate.opened.set()
        await gate.passed.wait()
        assert await app.wait() == 0


async def test_a_second_signal_stops_at_once_and_the_event_runs_at_the_next_start(home: Path, gate: Gate) -> None:
    async with running(home, "slow:app") as app:
        await answer(home, "send", "jobs", "--tenant", "a", "{}")
        await gate.entered.wait()
        app.send_signal(signal.SIGINT)
        await told(app, "finishing what runs")
        app.send_signal(signal.SIGINT)
        await told(app, "error: stopped at once; what was accepted is on disk")
        assert await app.wait() == 1
    assert not gate.passed.is_set()
    gate.opened.set()
    async with running(home, "slow:app"):
        await gate.passed.wait()


async def test_a_port_in_use_is_told_in_one_line_with_the_way_out(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = await postroom(home, "run", "flights:app", "--http", f"127.0.0.1:{port}")
    assert (status, out) == (1, "")
    line = err.splitlines()[-1]
    assert line.startswith(f"postroom: error: port {port} on 127.0.0.1 is in use")
    assert line.endswith("--http 127.0.0.1:0")
    assert "Traceback" not in err


async def test_a_module_that_raises_shows_its_own_lines_alone(home: Path) -> None:
    (home / "broken.py").write_text("import json\n\njson.loads('{')\n")
    status, out, err = await postroom(home, "run", "broken:app")
    assert (status, out) == (1, "")
    assert 'broken.py", line 3' in err
    assert "runtime" not in err
    assert "importlib" not in err
    assert err.splitlines()[-1] == (
        "postroom: error: the module 'broken' raised JSONDecodeError while it was imported, see above"
    )
