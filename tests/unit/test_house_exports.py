"""What a package exports is said once, in `__all__`, and is complete."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("actors", "runtime", "sagas", "bench")
NOT_EXPORTED_ACTORS = {
    "Facts": "what the runtime keeps of the current event; users call `current_event`",
    "StateSpec": "what the annotation of `state` becomes; users write the annotation",
}
"""Public classes of `actors` that users do not get from the package, and why."""
NO_EXPORTS = {"__future__", "typing"}
"""Modules that a package imports for itself."""


def modules() -> list[str]:
    paths = (path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py")))
    names = (path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in paths)
    return [name.removesuffix(".__init__") for name in names]


def is_package(name: str) -> bool:
    return ROOT.joinpath(*name.split("."), "__init__.py").exists()


def body_of(package: str) -> list[ast.stmt]:
    """The statements of a package, with those that tell type checkers alone where its late names come from."""
    tree = ast.parse(ROOT.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8"))
    return [each for statement in tree.body for each in typed_and_late(statement)]


def typed_and_late(statement: ast.stmt) -> list[ast.stmt]:
    match statement:
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=typed, orelse=late):
            return [*typed, *late]
        case _:
            return [statement]


def public_names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom) and getattr(statement, "module", None) not in NO_EXPORTS:
            names = [alias.asname or alias.name.split(".")[0] for alias in statement.names]
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [statement.name]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


PACKAGES = [name for name in modules() if is_package(name)]
EXPORTING = [name for name in modules() if hasattr(importlib.import_module(name), "__all__")]


@pytest.mark.parametrize("name", EXPORTING)
def test_all_is_sorted_without_repeats(name: str) -> None:
    exported = list(importlib.import_module(name).__all__)

    assert exported == sorted(set(exported))


@pytest.mark.parametrize("name", EXPORTING)
def test_every_exported_name_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)

    assert [each for each in module.__all__ if not hasattr(module, each)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_exports_all_that_it_imports_for_others(name: str) -> None:
    exported = set(getattr(importlib.import_module(name), "__all__", ()))

    assert set(public_names(body_of(name))) == exported


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_only_re_exports(name: str) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)

    assert [ast.unparse(statement) for statement in body_of(name) if not isinstance(statement, allowed)] == []


def test_a_name_that_is_not_exported_is_told_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'runtime' has no attribute 'Gone'"):
        getattr(importlib.import_module("runtime"), "Gone")  # noqa: B009 # a constant name is a type error


def test_commands_that_ask_a_running_app_load_neither_the_database_driver_nor_the_http_server() -> None:
    program = "import sys, runtime.cli; print({'aiohttp', 'asyncpg', 'runtime.app'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "set()\n"


def test_users_get_every_public_class_of_actors_from_the_package() -> None:
    actors = importlib.import_module("actors")
    defined = {
        found
        for name in modules()
        if name.startswith("actors.")
        for found, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if kind.__module__ == name and not found.startswith("_")
    }

    assert defined - set(actors.__all__) == set(NOT_EXPORTED_ACTORS)
