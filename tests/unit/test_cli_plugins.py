"""Commands that other packages plug in."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner, Result

from actors.errors import PostroomError
from runtime.cli import main
from runtime.cli.root import PLUGINS


@click.command()
def greet() -> None:
    """Say hello."""
    click.echo("hello")


@click.command()
def refuse() -> None:
    """Refuse."""
    raise PostroomError("the file has\x1b[31m no header")


not_a_command = "a string"


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.unit.test_cli_plugins"
    values = {
        "greet": f"{here}:greet",
        "refuse": f"{here}:refuse",
        "absent": "no_such_package:command",
        "missing": f"{here}:nothing",
        "wrong": f"{here}:not_a_command",
        "tree": f"{here}:greet",
    }
    found = [EntryPoint(name, value, PLUGINS) for name, value in values.items()]
    monkeypatch.setattr("runtime.cli.root.entry_points", lambda group: found if group == PLUGINS else [])


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_plugged_in_command_runs() -> None:
    assert invoke("greet").stdout == "hello\n"


def test_an_error_of_a_plugged_in_command_is_told_in_one_line() -> None:
    result = invoke("refuse")
    assert result.exit_code == 1
    assert result.stderr == "postroom: error: the file has\\x1b[31m no header\n"


@pytest.mark.parametrize("name", ["absent", "missing", "wrong"])
def test_a_broken_command_says_so_whatever_it_is_given(name: str) -> None:
    for arguments in ([name], [name, "--json", "x"], [name, "--help"]):
        result = invoke(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"postroom: error: the command '{name}' cannot be loaded from ")


def test_broken_commands_do_not_harm_the_others() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "Say hello." in result.stdout
    assert "cannot be loaded" in result.stdout
    assert "dead-letters" in result.stdout


def test_a_command_of_the_runtime_cannot_be_replaced() -> None:
    assert "parts of a running app" in invoke("tree", "--help").stdout


def test_the_version_is_that_of_the_distribution() -> None:
    assert invoke("--version").stdout.startswith("postroom 0.")


@pytest.mark.parametrize("command", ["run", "tree", "services", "send", "dead-letters list", "dead-letters replay"])
def test_help_teaches_by_example(command: str) -> None:
    result = invoke(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    postroom {command}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "flights:app", "--http", "127.0.0.1:1", "--no-http"], "exclude each other"),
        (["run", "flights:app", "--database", "mysql://user:secret@db/flights"], "not a PostgreSQL URL"),
        (["run", "flights.py:"], "there is no module"),
        (["run", "flights:app", "--http", "0.0.0.0:8321"], "loopback"),
        (["run", "flights:app", "--http", "8321"], "is not HOST:PORT"),
        (["run", "flights:app", "--window", "1"], "window: must be at least 10"),
        (["run", "flights:app", "--connections", "0"], "connections: must be"),
    ],
)
def test_a_run_with_wrong_settings_starts_nothing(arguments: list[str], told: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code in {1, 2}
    assert told in result.stderr
    assert "secret" not in result.stderr
    assert isinstance(result.exception, SystemExit)
