"""The `postroom` command against an app that answers HTTP, and against a store while none runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner, Result

from runtime.cli import main
from runtime.clock import SystemClock
from runtime.http import HttpServer
from runtime.operations import DeadLetterOperations
from runtime.settings import Settings
from tests.desk import Desk

FLIGHT = '{"carrier": "UA", "arr_delay": 11}'
FIRST, SECOND, THIRD = (str(UUID(int=number)) for number in (1, 2, 3))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a rendezvous of the test's own."""
    runtime_dir = tmp_path / "run"
    runtime_dir.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("POSTROOM_URL", "POSTROOM_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.asynccontextmanager
async def serving(desk: Desk, data_dir: Path | None = None) -> AsyncIterator[str]:
    server = HttpServer(desk, "127.0.0.1:0", clock=SystemClock(), data_dir=data_dir)
    await server.start()
    assert server.url is not None
    try:
        yield server.url
    finally:
        await server.stop(1.0)


@pytest.fixture
def desk() -> Desk:
    return Desk(dead_letters=3)


@pytest.fixture
async def app(desk: Desk) -> AsyncIterator[str]:
    async with serving(desk) as url:
        yield url


async def postroom(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run the command in a thread, as the app that it asks lives in this event loop."""
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=stdin)


async def answer(*arguments: str, stdin: str | None = None) -> Any:
    result = await postroom(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    """The one line in which an error is told."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


async def test_without_an_app_the_way_to_start_one_is_told() -> None:
    for command in (["tree"], ["services"], ["send", "arrivals", "--tenant", "UA", FLIGHT], ["dead-letters", "list"]):
        assert "no app is running" in refusal(await postroom(*command))
        assert "postroom run MODULE:APP" in refusal(await postroom(*command))


async def test_the_tree_shows_each_part_with_its_last_restart(app: str) -> None:
    result = await postroom("tree")
    assert result.exit_code == 0
    root, child, more = result.stdout.splitlines()
    assert root.startswith("flights  supervisor, one_for_one  running")
    assert "arrivals  service  running" in child
    assert "2 restarts" in child
    assert "7 waiting  oldest 0.25s  26,398 handled" in child
    assert "and 2 more" in more


async def test_the_tree_shows_the_last_exits_where_they_are_asked_for(app: str) -> None:
    assert "OSError" not in (await postroom("tree")).stdout
    lines = (await postroom("tree", "--exits")).stdout.splitlines()
    assert "2023-11-14 22:13:20Z  OSError: gone\\x1b[31m" in lines[2]
    assert "2023-11-14 22:13:21Z  ValueError: [red]no delay[/red]" in lines[3]
    [leaf] = (await answer("tree"))["children"]
    assert leaf["exits"][1] == {
        "at": "2023-11-14T22:13:21.250000Z",
        "reason": "ValueError: [red]no delay[/red]",
        "explained": True,
    }


async def test_what_others_wrote_cannot_drive_the_terminal(app: str) -> None:
    result = await postroom("tree")
    assert "\x1b" not in result.stdout
    assert "ValueError: [red]no delay[/red]\\x1b[31m" in result.stdout


async def test_json_is_what_http_answers(app: str) -> None:
    tree = await answer("tree")
    assert tree["children"][0]["since"] == "2023-11-14T22:13:20.250000Z"
    assert (await answer("services"))["services"][0]["name"] == "arrivals"
    page = await answer("dead-letters", "list", "--limit", "2")
    assert [letter["id"] for letter in page["dead_letters"]] == [THIRD, SECOND]
    assert page["next"] == SECOND


async def test_services_are_listed_for_people(app: str) -> None:
    result = await postroom("services")
    assert "arrivals" in result.stdout
    assert "Flight" in result.stdout


async def test_an_event_is_sent_from_an_argument_or_from_standard_input(app: str, desk: Desk) -> None:
    result = await postroom("send", "arrivals", "--tenant", "UA", "--key", "N1", "--by", "ann", FLIGHT)
    assert result.exit_code == 0, result.output
    sent = await answer("send", "arrivals", "--tenant", "DL", "--delay", "5", "-", stdin=FLIGHT)
    assert [str(event.id) for event in desk.enqueued] == [result.stdout.strip(), sent["id"]]
    assert desk.enqueued[0].payload == FLIGHT.encode()
    assert (desk.enqueued[0].key, desk.enqueued[0].enqueued_by) == ("N1", "ann")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["arrivals", "--tenant", "UA", "{"], "payload: is not JSON"),
        (["arrivals", "--tenant", "UA", '{"carrier":"UA","arr_delay":"NA"}'], "payload.arr_delay: Expected `float`"),
        (["arrivals", "--tenant", "", FLIGHT], "tenant: must not be empty"),
        (["departures", "--tenant", "UA", FLIGHT], "no service 'departures'; there are: arrivals"),
        (["arrivals", "--tenant", "UA", '"' + "x" * 2000 + '"'], "payload: is 2002 bytes"),
    ],
)
async def test_an_event_that_is_refused_is_told_in_one_line(
    app: str, desk: Desk, arguments: list[str], told: str
) -> None:
    assert told in refusal(await postroom("send", *arguments))
    assert not desk.enqueued


@pytest.mark.parametrize("stdin", [b"\xff", b"", b"nothing"])
async def test_standard_input_that_is_not_json_is_refused(app: str, desk: Desk, stdin: bytes) -> None:
    assert "payload: is not JSON" in refusal(await postroom("send", "arrivals", "--tenant", "UA", "-", stdin=stdin))
    assert not desk.enqueued


async def test_the_list_shows_whole_ids_and_the_way_on(app: str) -> None:
    result = await postroom("dead-letters", "list", "--limit", "2", "--service", "arrivals")
    assert THIRD in result.stdout
    assert "MissingArrivalError: flight 1545 has no arrival delay" in result.stdout
    assert f"--before {SECOND}" in result.stderr
    result = await postroom("dead-letters", "list", "--before", SECOND)
    assert FIRST in result.stdout
    assert THIRD not in result.stdout


async def test_an_empty_list_says_so(app: str) -> None:
    assert (await postroom("dead-letters", "list", "--state", "discarded")).stdout == "no discarded dead letters\n"


async def test_a_dead_letter_is_shown_with_stack_attempts_and_audit(app: str) -> None:
    await answer("dead-letters", "discard", FIRST, "--by", "ann", "--reason", "test data")
    shown = (await postroom("dead-letters", "show", FIRST)).stdout
    for part in (
        "N14228",
        'File "flights.py", line 7',
        "retry",
        "0.500",
        "12345678901234567890123",
        "test data",
        "ann",
    ):
        assert part in shown


@pytest.mark.parametrize("command", ["show", "replay", "discard"])
async def test_a_dead_letter_that_does_not_exist_fails(app: str, command: str) -> None:
    result = await postroom("dead-letters", command, str(UUID(int=9)))
    assert result.exit_code == 1
    assert "there is no dead letter" in result.stderr


async def test_a_replay_takes_the_users_name_unless_told(app: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carla")
    report = await answer("dead-letters", "replay", FIRST)
    assert report == {"replayed": [{"id": FIRST, "replayed_as": str(UUID(int=1001))}], "failed": []}
    assert desk.enqueued[0].enqueued_by == "carla"


async def test_set_changes_one_field_and_leaves_the_text_of_the_others(app: str, desk: Desk) -> None:
    await answer("dead-letters", "replay", FIRST, "--set", "arr_delay=1.50", "--set", "carrier=DL")
    assert desk.enqueued[0].payload == b'{"carrier":"DL","arr_delay":1.50,"seen":12345678901234567890123}'


async def test_a_payload_is_replaced_from_a_file_or_standard_input(app: str, desk: Desk, home: Path) -> None:
    (home / "mended.json").write_text(FLIGHT)
    await answer("dead-letters", "replay", FIRST, "--payload", "mended.json")
    await answer("dead-letters", "replay", SECOND, "--payload", "-", stdin=FLIGHT)
    assert [event.payload for event in desk.enqueued] == [FLIGHT.encode()] * 2


async def test_one_replay_that_fails_does_not_stop_the_others(app: str, desk: Desk) -> None:
    result = await postroom("dead-letters", "replay", FIRST, FIRST, SECOND)
    assert result.exit_code == 1
    assert f"{FIRST}: the dead letter {FIRST} is replayed already" in result.stderr
    assert SECOND in result.stdout
    assert len(desk.enqueued) == 2


async def test_all_asks_first_and_does_nothing_on_no(app: str, desk: Desk) -> None:
    result = await postroom("dead-letters", "replay", "--all", "--tenant", "UA", stdin="n\n")
    assert result.exit_code == 1
    assert "Replay 2 dead letters?" in result.stderr
    assert not desk.enqueued
    assert (await postroom("dead-letters", "replay", "--all", stdin="")).exit_code == 1
    assert not desk.enqueued


async def test_all_acts_on_every_page(app: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.cli.selection.MAX_PAGE", 1)
    result = await postroom("dead-letters", "discard", "--all", "--yes")
    assert result.stdout == "3 discarded, 0 failed\n"
    assert {letter.state for letter in desk.letters.values()} == {"discarded"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["dead-letters", "replay"],
        ["dead-letters", "replay", FIRST, "--all"],
        ["dead-letters", "replay", FIRST, "--tenant", "UA"],
        ["dead-letters", "replay", "first"],
        ["dead-letters", "replay", FIRST, "--set", "arr_delay"],
        ["dead-letters", "replay", FIRST, "--payload", "missing.json"],
        ["dead-letters", "replay", FIRST, "--payload", "-", "--set", "a=1"],
        ["dead-letters", "replay", FIRST, SECOND, "--payload", "-"],
        ["dead-letters", "list", "--limit", "0"],
        ["dead-letters", "list", "--state", "lost"],
        ["send", "arrivals", FLIGHT],
        ["send", "arrivals", "--tenant", "UA", "--id", "seven", FLIGHT],
        ["tree", "--colour"],
        ["branch"],
    ],
)
async def test_a_command_that_is_not_understood_exits_with_2(app: str, desk: Desk, arguments: list[str]) -> None:
    result = await postroom(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not desk.enqueued


async def test_a_payload_that_is_no_object_cannot_be_set(app: str, desk: Desk) -> None:
    letter = desk.letters[UUID(int=1)]
    changed = msgspec.structs.replace(letter.event, payload=b"[1]")
    desk.letters[UUID(int=1)] = msgspec.structs.replace(letter, event=changed)
    result = await postroom("dead-letters", "replay", FIRST, "--set", "a=1")
    assert result.exit_code == 1
    assert "not a JSON object" in result.stderr


async def test_several_apps_are_listed_until_one_is_chosen(app: str) -> None:
    async with serving(Desk("freight")) as other:
        line = refusal(await postroom("tree"))
        assert f"flights ({app}" in line
        assert f"freight ({other}" in line
        assert (await answer("tree", "--app", "freight"))["name"] == "freight"
        assert (await answer("tree", "--url", app))["name"] == "flights"
        assert "no app 'mail' is running; running are: " in refusal(await postroom("tree", "--app", "mail"))


async def test_the_url_may_come_from_the_environment(app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Desk("freight")) as other:
        monkeypatch.setenv("POSTROOM_URL", other)
        assert (await answer("tree"))["name"] == "freight"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:1", "cannot reach http://127.0.0.1:1: Connection refused"),
        ("127.0.0.1:8321", "is not the URL of an app"),
        ("https://127.0.0.1:8321", "is not the URL of an app"),
        ("http://127.0.0.1:port", "cannot reach http://127.0.0.1:port"),
    ],
)
async def test_a_url_where_no_app_answers_is_told(url: str, told: str) -> None:
    assert told in refusal(await postroom("tree", "--url", url))


async def test_something_else_behind_the_url_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "not as this version of postroom does" in refusal(
            await postroom("tree", "--url", f"http://127.0.0.1:{port}")
        )


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> list[Settings]:
    """Stands in for the store of an app that does not run; gives the settings it was opened with."""
    opened: list[Settings] = []

    @contextlib.asynccontextmanager
    async def offline_operations(settings: Settings) -> AsyncIterator[DeadLetterOperations]:
        opened.append(settings)
        yield desk

    module = ModuleType("runtime.offline")
    module.__dict__["offline_operations"] = offline_operations
    monkeypatch.setitem(sys.modules, "runtime.offline", module)
    return opened


async def test_dead_letters_of_a_stopped_app_are_in_its_store(home: Path, store: list[Settings], desk: Desk) -> None:
    (home / ".postroom").mkdir()
    page = await answer("dead-letters", "list")
    assert len(page["dead_letters"]) == 3
    assert (await answer("dead-letters", "show", FIRST))["cause"]["type"] == "MissingArrivalError"
    await answer("dead-letters", "replay", FIRST, "--set", "arr_delay=1")
    await answer("dead-letters", "discard", SECOND)
    assert [desk.letters[UUID(int=number)].state for number in (1, 2)] == ["replayed", "discarded"]
    assert {settings.data_dir for settings in store} == {Path(".postroom")}


async def test_the_store_may_be_named(home: Path, store: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "elsewhere").mkdir()
    await answer("dead-letters", "list", "--data", "elsewhere")
    await answer("dead-letters", "list", "--database", "postgresql://db/one")
    monkeypatch.setenv("POSTROOM_DATABASE", "postgresql://db/two")
    await answer("dead-letters", "list")
    assert store[0].data_dir == Path("elsewhere")
    assert [settings.database for settings in store] == [None, "postgresql://db/one", "postgresql://db/two"]


async def test_a_running_app_is_asked_even_if_its_directory_is_named(home: Path, store: list[Settings]) -> None:
    (home / "mine").mkdir()
    async with serving(Desk(dead_letters=1), home / "mine"):
        page = await answer("dead-letters", "list", "--data", "mine")
    assert len(page["dead_letters"]) == 1
    assert not store


async def test_a_database_in_the_environment_that_is_none_is_told_and_not_repeated(
    store: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_DATABASE", "mysql://user:secret@db/one")
    line = refusal(await postroom("dead-letters", "list"))
    assert "database: is not a PostgreSQL URL" in line
    assert "secret" not in line


async def test_a_data_directory_that_is_missing_is_told(store: list[Settings]) -> None:
    assert "no data directory 'nowhere'" in refusal(await postroom("dead-letters", "list", "--data", "nowhere"))
    assert not store


async def test_the_command_runs_as_a_program_without_colours(app: str) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from runtime.cli import main; main()",
        "tree",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "FORCE_COLOR": ""},
    )
    out, _ = await program.communicate()
    assert program.returncode == 0
    assert out.startswith(b"flights  supervisor")
    assert b"\x1b" not in out
