"""Imports point left only: actors <- runtime <- sagas <- bench <- tests, and the pure core knows nothing outside it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("actors", "runtime", "sagas", "bench", "tests")
EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(importing module, imported module): why it may point right."""
CORE_MAY_IMPORT = ("actors", "runtime.core")
CORE_EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(module of the core, imported module): why it is as pure as the core."""
IMPURE = {"anyio", "asyncio", "logging", "os", "pathlib", "secrets", "socket", "subprocess", "threading", "time"}
"""What reads a clock, waits, talks or logs. `random` is not here: the core is given a `random.Random`."""
ONLY_IN = {
    "aiohttp": ("runtime.http", "tests"),
    "asyncpg": ("runtime.store.postgres", "tests"),
    "click": ("runtime.cli", "sagas.cli", "bench", "tests"),
    "cronsim": ("runtime.core.cron", "tests"),
    "jmespath": ("sagas.expressions", "sagas.functions", "sagas.quick", "sagas.shapes", "tests"),
}
"""Libraries that stay at one edge."""

pytestmark = pytest.mark.xdist_group("imports")  # all of them read all modules, once a process

Import = tuple[str, str]


def modules() -> list[Path]:
    return [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            yield str(node.module)
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if is_module(f"{node.module}.{alias.name}")
            )


def top(name: str) -> str:
    return name.partition(".")[0]


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return top(name) in LAYERS and (path.with_suffix(".py").exists() or path.is_dir())


@functools.cache
def imports() -> list[Import]:
    return [
        (name_of(path), imported)
        for path in modules()
        for imported in imported_by(ast.parse(path.read_text(encoding="utf-8")))
    ]


def is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def points_right(importing: str, imported: str) -> bool:
    source, target = top(importing), top(imported)
    return target in LAYERS and LAYERS.index(target) > LAYERS.index(source)


def leaves_core(importing: str, imported: str) -> bool:
    if not is_below(importing, ("runtime.core",)) or imported == "runtime":
        return False
    first_party = top(imported) in LAYERS
    return not is_below(imported, CORE_MAY_IMPORT) if first_party else top(imported) in IMPURE


def test_there_is_something_to_check() -> None:
    assert {top(importing) for importing, _ in imports()} >= {"actors", "runtime", "bench", "tests"}


def test_no_import_points_right() -> None:
    wrong = {pair for pair in imports() if points_right(*pair)}

    assert wrong == set(EXCEPTIONS)


def test_the_core_imports_itself_and_actors_and_nothing_impure() -> None:
    wrong = {pair for pair in imports() if leaves_core(*pair)}

    assert wrong == set(CORE_EXCEPTIONS)


def test_nothing_in_the_core_waits() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    core = [path for path in modules() if is_below(name_of(path), ("runtime.core",))]
    trees = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in core}

    guilty = [name for name, tree in trees.items() if any(isinstance(node, waiting) for node in ast.walk(tree))]

    assert guilty == []


def test_actors_know_no_event_loop() -> None:
    wrong = [pair for pair in imports() if is_below(pair[0], ("actors",)) and top(pair[1]) in {"asyncio", "anyio"}]

    assert wrong == []


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_stays_at_its_edge(library: str) -> None:
    wrong = [pair for pair in imports() if is_below(pair[1], (library,)) and not is_below(pair[0], ONLY_IN[library])]

    assert wrong == []


@pytest.mark.parametrize(
    ("importing", "imported", "wrong"),
    [
        ("actors.actor", "runtime.app", True),
        ("actors.actor", "actors.spec", False),
        ("runtime.app", "sagas.machine", True),
        ("runtime.app", "actors", False),
        ("bench.demo", "runtime.app", False),
        ("bench.demo", "tests.apps", True),
        ("tests.apps", "bench.demo", False),
        ("runtime.app", "runtimes", False),
        ("runtime.app", "asyncio", False),
    ],
)
def test_the_rule_knows_its_directions(importing: str, imported: str, *, wrong: bool) -> None:
    assert points_right(importing, imported) is wrong


@pytest.mark.parametrize(
    ("importing", "imported", "wrong"),
    [
        ("runtime.core.lease", "runtime.clock", True),
        ("runtime.core.lease", "time", True),
        ("runtime.core.lease", "asyncio.tasks", True),
        ("runtime.core.lease", "runtime.core.retry", False),
        ("runtime.core.lease", "actors.spec", False),
        ("runtime.core.lease", "random", False),
        ("runtime.clock", "time", False),
    ],
)
def test_the_rule_knows_what_is_pure(importing: str, imported: str, *, wrong: bool) -> None:
    assert leaves_core(importing, imported) is wrong
