"""Files stay small, and product code has no back doors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("actors", "runtime", "sagas", "bench")
MAX_LINES = 400
FORBIDDEN_MODULES = {"marshal", "pickle", "shelve"}
"""Reading what they wrote can run anything."""
FORBIDDEN_CALLS = {"__import__", "compile", "eval", "exec"}
FORBIDDEN_FUNCTIONS = {
    "asyncio.create_subprocess_shell",
    "os.popen",
    "os.system",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
"""They start a shell."""


def python_files(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def back_doors(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from call_back_doors(node)


def call_back_doors(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Name) and call.func.id in FORBIDDEN_CALLS:
        yield call.func.id
    if ast.unparse(call.func) in FORBIDDEN_FUNCTIONS:
        yield ast.unparse(call.func)
    for keyword in call.keywords:
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
            yield "shell=True"


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PRODUCT, "tests")}

    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_product_code_has_no_back_doors() -> None:
    found = {
        str(path.relative_to(ROOT)): doors
        for path in python_files(*PRODUCT)
        if (doors := list(back_doors(path.read_text(encoding="utf-8"))))
    }

    assert found == {}


@pytest.mark.parametrize(
    ("source", "door"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("import marshal as m", "marshal"),
        ("eval('1')", "eval"),
        ("exec(text)", "exec"),
        ("subprocess.run(line, shell=True)", "shell=True"),
        ("subprocess.run(line, shell=flag)", "shell=True"),
        ("os.system(line)", "os.system"),
        ("asyncio.create_subprocess_shell(line)", "asyncio.create_subprocess_shell"),
    ],
)
def test_each_back_door_is_seen(source: str, door: str) -> None:
    assert list(back_doors(source)) == [door]


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(command, shell=False)",
        "re.compile('x')",
        "connection.execute(sql)",
        "x = 'pickle'",
        "platform.system()",
    ],
)
def test_what_only_looks_like_one_is_let_through(source: str) -> None:
    assert list(back_doors(source)) == []
