"""`tests/typing` uses every public signature, so that a change that breaks users breaks the type check."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

TYPING = Path(__file__).parents[1] / "typing"
ANY = frozenset({"*"})
FOR_THE_RUNTIME = {
    "actors.Handler": ANY,
    "actors.Place": ANY,
    "runtime.App": {"extend"},
    "runtime.Running": ANY,
    "runtime.ServiceDefinition": {"decoders", "takes", "message_names"},
}
"""Members that users have no business with."""


def used() -> set[str]:
    """Every name that the files refer to, define, or give as a keyword."""
    found: set[str] = set()
    for path in sorted(TYPING.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name):
                    found.add(name)
                case ast.AsyncFunctionDef(name=name) | ast.keyword(arg=str(name)) | ast.alias(name=name):
                    found.add(name)
                case _:
                    pass
    return found


def members(package: str) -> Iterator[tuple[str, str]]:
    """The exported names of a package, and the public members and fields of its classes."""
    module = importlib.import_module(package)
    for name in module.__all__:
        if FOR_THE_RUNTIME.get(f"{package}.{name}") is not ANY:
            yield f"{package}.{name}", name
        exported = getattr(module, name)
        if inspect.isclass(exported) and not issubclass(exported, enum.Enum):
            left_out = FOR_THE_RUNTIME.get(f"{package}.{name}", frozenset())
            kept = (each for each in _members(exported) if left_out is not ANY and each not in left_out)
            yield from ((f"{package}.{name}.{each}", each) for each in kept)


def _members(exported: type) -> Iterator[str]:
    if issubclass(exported, msgspec.Struct):
        yield from exported.__struct_fields__
    for name, member in vars(exported).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property | classmethod)):
            yield name


@pytest.mark.parametrize("package", ["actors", "runtime"])
def test_every_public_name_and_member_is_used(package: str) -> None:
    names = used()
    assert [path for path, name in members(package) if name not in names] == []
