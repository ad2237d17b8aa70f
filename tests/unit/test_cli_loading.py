"""MODULE:APP: what is found, and what is said where nothing is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from runtime.app import App
from runtime.cli.loading import AppNotFoundError, load_app


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(project: Path, name: str, text: str) -> None:
    (project / name).write_text("from runtime.app import App\n" + text)


def test_an_app_is_loaded_from_the_current_directory(project: Path) -> None:
    write(project, "e_flights.py", "app = App('flights')\n")
    app = load_app("e_flights:app")
    assert isinstance(app, App)
    assert app.name == "flights"


def test_an_app_is_loaded_from_a_package(project: Path) -> None:
    (project / "e_house").mkdir()
    write(project / "e_house", "mail.py", "post = App('mail')\n")
    assert load_app("e_house.mail:post").name == "mail"


@pytest.mark.parametrize("reference", ["", ":app", "flights.py/x:app", "a-b:app", "flights:app:x:"])
def test_what_is_not_module_and_app_is_a_usage_error(reference: str) -> None:
    with pytest.raises((click.BadParameter, AppNotFoundError)):
        load_app(reference)


@pytest.mark.parametrize(("reference", "missing"), [("e_none:app", "e_none"), ("e_none.deep:app", "e_none")])
def test_a_module_that_does_not_exist_is_named(reference: str, missing: str) -> None:
    with pytest.raises(AppNotFoundError, match=f"there is no module '{missing}'"):
        load_app(reference)


def test_a_file_given_as_a_module_is_answered_with_the_advice_to_leave_off_py(project: Path) -> None:
    write(project, "e_flights.py", "app = App('flights')\n")
    with pytest.raises(AppNotFoundError, match=r"leave off \.py"):
        load_app("e_flights.py:app")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("e_two:", "which app of 'e_two'"),
        ("e_two", "which app of 'e_two'"),
        ("e_two:three", "'e_two' has no 'three'"),
        ("e_two:number", "e_two:number is a int, not an App"),
    ],
)
def test_the_apps_of_the_module_are_listed(project: Path, reference: str, said: str) -> None:
    write(project, "e_two.py", "one = App('one')\ntwo = App('two')\nnumber = 1\n")
    with pytest.raises(AppNotFoundError) as caught:
        load_app(reference)
    assert str(caught.value) == f"{said}; its apps are: e_two:one, e_two:two"


def test_a_module_without_an_app_is_told_how_to_make_one(project: Path) -> None:
    write(project, "e_empty.py", "")
    with pytest.raises(AppNotFoundError, match=r"holds no app: make one there with app = App\('e_empty'\)"):
        load_app("e_empty:app")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("import e_absent\n", "No module named 'e_absent'"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("def broken(:\n", "SyntaxError"),
        ("App('Not A Name')\n", "SpecError"),
    ],
)
def test_what_the_module_raises_is_shown_with_its_own_lines(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, shown: str
) -> None:
    write(project, "e_bad.py", text)
    with pytest.raises(AppNotFoundError, match="the module 'e_bad' raised"):
        load_app("e_bad:app")
    err = capsys.readouterr().err
    assert shown in err
    assert "e_bad.py" in err
    assert "loading.py" not in err
    assert "importlib" not in err
