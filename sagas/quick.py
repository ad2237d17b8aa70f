"""The expressions that most mappings are, paths and objects of paths, as plain functions.

They cannot grow and cannot fail, so they need no budget, and take a tenth of the interpreter's time. A test holds what
they answer against what the interpreter answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmespath.visitor import _TreeNode

Quick = Callable[[Any], Any]


def quick(node: _TreeNode) -> Quick | None:
    """The function that a syntax tree stands for, or None where it is no path, literal, or object of these."""
    make = _BY_KIND.get(node["type"])
    return None if make is None else make(node)


def _field(node: _TreeNode) -> Quick:
    name = node["value"]
    return lambda data: data.get(name) if type(data) is dict else None


def _index(node: _TreeNode) -> Quick:
    number = node["value"]

    def item(data: Any) -> Any:
        return data[number] if type(data) is list and -len(data) <= number < len(data) else None

    return item


def _literal(node: _TreeNode) -> Quick:
    value = node["value"]
    return lambda _data: value


def _itself(_node: _TreeNode) -> Quick:
    return lambda data: data


def _chain(node: _TreeNode) -> Quick | None:
    if any(child["type"] == "multi_select_dict" for child in node["children"]):
        return None
    steps = [quick(child) for child in node["children"]]
    made = tuple(step for step in steps if step is not None)
    return _follow(made) if len(made) == len(steps) else None


def _follow(steps: tuple[Quick, ...]) -> Quick:
    def follow(data: Any) -> Any:
        for step in steps:
            data = step(data)
        return data

    return follow


def _object(node: _TreeNode) -> Quick | None:
    fields = [(pair["value"], quick(pair["children"][0])) for pair in node["children"]]
    made = [(name, value) for name, value in fields if value is not None]
    if len(made) < len(fields):
        return None
    return lambda data: None if data is None else {name: value(data) for name, value in made}


_BY_KIND: dict[str, Callable[[_TreeNode], Quick | None]] = {
    "current": _itself,
    "field": _field,
    "identity": _itself,
    "index": _index,
    "index_expression": _chain,
    "literal": _literal,
    "multi_select_dict": _object,
    "subexpression": _chain,
}
