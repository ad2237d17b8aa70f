"""Which method of an actor class takes which message: found once, when the class is defined."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from actors.errors import HandlerError
from actors.message import message_name, reply_type

Method = Callable[[Any, Any], Any]
"""Called with the actor and the message. What an async method returns is awaited."""

HOOKS = frozenset({"on_start", "on_stop", "on_restart", "before_restart"})


class Handler(msgspec.Struct, frozen=True):
    """One handler: the method, its name, the message class that it takes, and what it promises to return."""

    name: str
    message: type
    method: Method
    is_request: bool
    returns: Any = Any


def find_handlers(actor: type, enclosing: Mapping[str, object]) -> Mapping[type, Handler]:
    """Return the handlers of an actor class by message class.

    `enclosing` holds the names that annotations may use beside the module's own.

    Raises:
        HandlerError: two handlers take one message, a handler cannot be reached, or an annotation has no meaning.
    """
    found: dict[type, Handler] = {}
    by_name: dict[str, Handler] = {}
    for handler in _candidates(actor, enclosing):
        rival = found.get(handler.message)
        if rival is not None:
            raise HandlerError(_both(actor, handler, rival, f"both take {handler.message.__name__}"))
        name = message_name(handler.message)
        rival = by_name.get(name)
        if rival is not None:
            problem = f"take two classes that are both stored as {name!r}, so only one could be reached; rename a class"
            raise HandlerError(_both(actor, handler, rival, problem))
        found[handler.message] = by_name[name] = handler
    return types.MappingProxyType(found)


def _candidates(actor: type, enclosing: Mapping[str, object]) -> Iterator[Handler]:
    for name, method in inspect.getmembers(actor, inspect.isfunction):
        if name.startswith("_") or name in HOOKS or not isinstance(inspect.getattr_static(actor, name), FunctionType):
            continue
        parameters = list(inspect.signature(method).parameters.values())[1:]
        if not parameters or parameters[0].annotation is inspect.Parameter.empty:
            continue
        if not inspect.iscoroutinefunction(method) and (len(parameters) > 1 or _yields(method)):
            continue
        kinds = list(_message_kinds(actor, name, _resolve(actor, method, parameters[0], enclosing)))
        if not kinds:
            continue
        _require_callable(actor, name, parameters)
        for kind in kinds:
            returns = _return_hint(method, enclosing)
            _require_reply(actor, name, kind, returns)
            yield Handler(name, kind, method, reply_type(kind) is not None, returns)


def _yields(method: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)


def _resolve(
    actor: type, method: Callable[..., Any], parameter: inspect.Parameter, enclosing: Mapping[str, object]
) -> Any:
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        return _hints(method, enclosing)[parameter.name]
    except Exception as error:
        raise HandlerError(
            f"{actor.__name__}.{method.__name__}: cannot resolve the annotation {parameter.annotation!r} ({error});"
            " define the message before the actor, import it outside TYPE_CHECKING,"
            " or begin the method's name with an underscore if it is no handler"
        ) from error


def _return_hint(method: Callable[..., Any], enclosing: Mapping[str, object]) -> Any:
    try:
        return _hints(method, enclosing).get("return", Any)
    except Exception:  # noqa: BLE001 # a return annotation for type checkers alone is the user's affair
        return Any


def _hints(method: Callable[..., Any], enclosing: Mapping[str, object]) -> dict[str, Any]:
    module = sys.modules.get(method.__module__)
    return get_type_hints(method, {**enclosing, **(vars(module) if module else {})}, dict(enclosing))


def _message_kinds(actor: type, name: str, hint: Any) -> Iterator[type]:
    if get_origin(hint) in {Union, types.UnionType}:
        kinds = [kind for part in get_args(hint) for kind in _message_kinds(actor, name, part)]
        if kinds and len(kinds) != len(get_args(hint)):
            raise HandlerError(f"{actor.__name__}.{name}: every member of the union must be a message class or dict")
        yield from kinds
    elif hint is dict or get_origin(hint) is dict:
        yield dict
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint


def _require_callable(actor: type, name: str, parameters: list[inspect.Parameter]) -> None:
    for extra in parameters[1:]:
        optional = extra.default is not inspect.Parameter.empty
        if not optional and extra.kind not in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise HandlerError(
                f"{actor.__name__}.{name}: takes a message but also needs {extra.name!r}, so nothing can reach it;"
                " begin its name with an underscore if it is no handler"
            )


def _require_reply(actor: type, name: str, kind: type, returned: Any) -> None:
    promised = reply_type(kind)
    if promised in {None, Any} or returned is Any or promised == returned:
        return
    if isinstance(promised, type) and isinstance(returned, type) and issubclass(returned, promised):
        return
    raise HandlerError(
        f"{actor.__name__}.{name}: {kind.__name__} is answered with {_show(promised)},"
        f" but the handler returns {_show(returned)}"
    )


def _both(actor: type, one: Handler, other: Handler, problem: str) -> str:
    return f"{actor.__name__}.{other.name} and {actor.__name__}.{one.name} {problem}"


def _show(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def handler_for(handlers: Mapping[type, Handler], kind: type) -> Handler | None:
    """The handler that takes messages of a class: its own, or that of its nearest base class."""
    for base in kind.__mro__:
        handler = handlers.get(base)
        if handler is not None:
            return handler
    return None


def method_for(methods: dict[type, Method], kind: type) -> Method | None:
    """The method that takes messages of a class, kept in `methods` from then on."""
    for base in kind.__mro__:
        method = methods.get(base)
        if method is not None:
            methods[kind] = method
            return method
    return None
