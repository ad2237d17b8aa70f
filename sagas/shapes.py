"""What an expression will answer with, as far as types tell before it runs, and whether that fits a message.

Types are those that annotate messages, and two of this module for what expressions make. What is not known is `Any`,
which fits everything: only certain mistakes are told.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec

from sagas.errors import ExpressionError
from sagas.functions import RETURNS, SagaFunctions

if TYPE_CHECKING:
    from jmespath.visitor import _TreeNode

    from sagas.expressions import Expression

Shape: TypeAlias = Any
SEQUENCES = (list, tuple, set, frozenset)
SCALARS = (str, int, float, bool, type(None))
NUMBERS = (int, float)


class ObjectShape(msgspec.Struct, frozen=True):
    """An object with these fields and no others."""

    fields: Mapping[str, Shape]


class ListShape(msgspec.Struct, frozen=True):
    """A list of items of one type."""

    item: Shape


class _UnfitError(Exception):
    """Raised inside this module where a type has no answer."""


def answer_of(expression: Expression, data: Mapping[str, Shape]) -> Shape:
    """The type of an expression's answer for data of these types.

    Raises:
        ExpressionError: it reads a field that does not exist, or calls a function wrongly.
    """
    try:
        return _infer(expression.tree, ObjectShape(data))
    except _UnfitError as error:
        raise ExpressionError(expression.text, str(error)) from None


def misfit(source: Shape, target: Shape, place: str = "") -> tuple[str, str] | None:
    """Where, and why, a value of one type certainly is none of another; None where it may fit."""
    wanted = list(members(target))
    given = list(members(source))
    if Any in wanted or Any in given or not wanted:
        return None
    problems = [_first_misfit(one, wanted, place) for one in given if one is not type(None) or len(given) == 1]
    return next((problem for problem in problems if problem is not None), None)


def members(shape: Shape) -> Iterator[Shape]:
    """The types that a union consists of, or the type itself."""
    origin = _origin(shape)
    if origin is Annotated:
        yield from members(get_args(shape)[0])
    elif origin in {Union, types.UnionType}:
        for part in get_args(shape):
            yield from members(part)
    else:
        yield type(None) if shape is None else shape


def _origin(shape: Shape) -> Any:
    return get_origin(shape)


def name_of(shape: Shape) -> str:
    """How a type is told to people."""
    match shape:
        case ObjectShape():
            return "an object"
        case ListShape():
            return "a list"
        case type():
            return "null" if shape is type(None) else shape.__name__
        case _:
            return str(shape)


def _infer(node: _TreeNode, current: Shape) -> Shape:
    """The type of a syntax tree's answer; `current` is that of the data it is applied to."""
    infer = _BY_KIND.get(node["type"])
    return Any if infer is None else infer(node, current)


def _infer_chain(node: _TreeNode, current: Shape) -> Shape:
    for child in node["children"]:
        current = _infer(child, current)
    return current


def _infer_object(node: _TreeNode, current: Shape) -> Shape:
    return ObjectShape({pair["value"]: _infer(pair["children"][0], current) for pair in node["children"]})


def _infer_list(node: _TreeNode, current: Shape) -> Shape:
    made = [_infer(child, current) for child in node["children"]]
    return ListShape(made[0] if all(one == made[0] for one in made) else Any)


def _infer_projection(node: _TreeNode, current: Shape) -> Shape:
    over, each, *conditions = node["children"]
    item = item_of(_infer(over, current))
    for condition in conditions:
        _infer(condition, item)
    return ListShape(_infer(each, item))


def _infer_either(node: _TreeNode, current: Shape) -> Shape:
    one, other = (_infer(child, current) for child in node["children"])
    return one if one == other else Any


def _infer_truth(node: _TreeNode, current: Shape) -> Shape:
    for child in node["children"]:
        _infer(child, current)
    return bool


def _infer_flatten(node: _TreeNode, current: Shape) -> Shape:
    item = item_of(_infer(node["children"][0], current))
    try:
        return ListShape(item_of(item))
    except _UnfitError:
        return ListShape(item)


def _infer_call(node: _TreeNode, current: Shape) -> Shape:
    name, arguments = node["value"], node["children"]
    known = SagaFunctions.FUNCTION_TABLE.get(name)
    if known is None:
        raise _UnfitError(f"there is no function {name}()")
    signature = known["signature"]
    variadic = bool(signature) and signature[-1].get("variadic", False)
    if len(arguments) != len(signature) and not (variadic and len(arguments) >= len(signature)):
        raise _UnfitError(f"{name}() takes {len(signature)} arguments, not {len(arguments)}")
    for argument in arguments:
        if argument["type"] != "expref":
            _infer(argument, current)
    return RETURNS.get(name, Any)


_BY_KIND: dict[str, Callable[[_TreeNode, Shape], Shape]] = {
    "and_expression": _infer_either,
    "comparator": _infer_truth,
    "current": lambda _node, current: current,
    "field": lambda node, current: field(current, node["value"]),
    "filter_projection": _infer_projection,
    "flatten": _infer_flatten,
    "function_expression": _infer_call,
    "identity": lambda _node, current: current,
    "index": lambda _node, current: item_of(current),
    "index_expression": _infer_chain,
    "literal": lambda node, _current: _literal(node["value"]),
    "multi_select_dict": _infer_object,
    "multi_select_list": _infer_list,
    "not_expression": _infer_truth,
    "or_expression": _infer_either,
    "pipe": _infer_chain,
    "projection": _infer_projection,
    "slice": lambda _node, current: current,
    "subexpression": _infer_chain,
}


def field(shape: Shape, name: str) -> Shape:
    """The type of a field. Raises _UnfitError where no member of the type has it."""
    found = [known for one in members(shape) if one is not type(None) for known in _field_of(one, name)]
    if found:
        return found[0] if len(found) == 1 else Any
    there = sorted({each for one in members(shape) for each in fields_of(one)})
    raise _UnfitError(f"{name_of(shape)} has no field {name!r}" + (f"; there are {', '.join(there)}" if there else ""))


def item_of(shape: Shape) -> Shape:
    """The type of a list's items. Raises _UnfitError for what is no list."""
    for one in members(shape):
        if isinstance(one, ListShape):
            return one.item
        if one is Any or one in SEQUENCES:
            return Any
        if _origin(one) in SEQUENCES:
            return get_args(one)[0]
    raise _UnfitError(f"{name_of(shape)} is no list")


def fields_of(shape: Shape) -> Mapping[str, Shape]:
    """The fields of a type by their names in JSON, as far as they are known."""
    if isinstance(shape, ObjectShape):
        return shape.fields
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return {each.encode_name: each.type for each in msgspec.structs.fields(shape)}
    return {}


def _field_of(shape: Shape, name: str) -> Iterator[Shape]:
    known = fields_of(shape)
    if name in known:
        yield known[name]
    elif not known and _kind_of(shape) in {"object", None} and not isinstance(shape, ObjectShape):
        yield Any


def _literal(value: object) -> Shape:
    if isinstance(value, dict):
        return ObjectShape({name: _literal(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return ListShape(_literal(value[0]) if len({type(one) for one in value}) == 1 else Any)
    return type(value)


def _first_misfit(source: Shape, wanted: list[Shape], place: str) -> tuple[str, str] | None:
    problems = [_compare(source, target, place) for target in wanted]
    return None if None in problems else problems[0]


def _compare(source: Shape, target: Shape, place: str) -> tuple[str, str] | None:
    given, wanted = _kind_of(source), _kind_of(target)
    if given is None or wanted is None:
        return None
    if given != wanted:
        return place, f"{name_of(source)}, where {name_of(target)} is wanted"
    if isinstance(target, type) and issubclass(target, msgspec.Struct):
        return _compare_fields(source, target, place)
    if given == "list" and get_args(target):
        return misfit(item_of(source), get_args(target)[0], f"{place}[]")
    return None


def _kind_of(shape: Shape) -> str | None:
    """Which kind of JSON a type is, or None where it may be of several, or has a form of its own."""
    if shape in SCALARS:
        return "number" if shape in NUMBERS else shape.__name__
    if isinstance(shape, ListShape) or shape in SEQUENCES or _origin(shape) in SEQUENCES:
        return "list"
    if isinstance(shape, ObjectShape) or shape is dict or _origin(shape) is dict:
        return "object"
    return "object" if isinstance(shape, type) and issubclass(shape, msgspec.Struct) else None


def _compare_fields(source: Shape, target: type[msgspec.Struct], place: str) -> tuple[str, str] | None:
    given = fields_of(source)
    if not given and not isinstance(source, ObjectShape):
        return None
    prefix = f"{place}." if place else ""
    fields = {each.encode_name: each for each in msgspec.structs.fields(target)}
    if isinstance(source, ObjectShape):
        for name in given:
            if name not in fields:
                there = ", ".join(fields) or "none"
                return f"{prefix}{name}", f"{target.__name__} has no such field; it has {there}"
    for name, each in fields.items():
        if name not in given:
            if each.required:
                return f"{prefix}{name}", f"is required by {target.__name__}"
        elif problem := misfit(field(source, name), each.type, f"{prefix}{name}"):
            return problem
    return None
