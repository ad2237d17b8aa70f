"""Durable state: what an actor keeps between events. A class declares it by annotating `state` with a Struct."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType, SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from actors.errors import SpecError, StateError, UnreadableStateError
from actors.handler import Method

if TYPE_CHECKING:
    from actors.actor import Actor

MAX_VERSION = 2**31 - 1


class StateSpec:
    """The durable state of an actor class, and its way to JSON and back."""

    __slots__ = ("decode", "encode", "initial", "kind", "version")

    def __init__(self, kind: type[msgspec.Struct], version: int) -> None:
        self.kind = kind
        self.version = version
        self.encode: Callable[[msgspec.Struct], bytes] = msgspec.json.Encoder().encode
        self.decode: Callable[[bytes], msgspec.Struct] = msgspec.json.Decoder(kind).decode
        self.initial = self.encode(kind())
        """What an actor begins with that has nothing stored."""


def state_of(actor: type[Actor]) -> StateSpec | None:
    """The durable state of an actor class, if it has one."""
    return actor._actor_state  # noqa: SLF001 # its own package's


def find_state(actor: type[Actor], enclosing: Mapping[str, object]) -> StateSpec | None:
    """The durable state that a class declares or inherits. `enclosing` holds names that the annotation may use.

    Raises:
        SpecError: `state` is annotated with something else, has a field without a default, or the version is no
            number from 1 up.
    """
    inherited = state_of(actor)
    hint = _annotation(actor, enclosing)
    if hint is None and (inherited is None or "state_version" not in vars(actor)):
        return inherited
    kind = inherited.kind if hint is None and inherited is not None else _require_struct(actor, hint)
    version = actor.state_version
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise SpecError("state_version", f"{actor.__name__}: must be a whole number from 1 up, not {version!r}")
    return StateSpec(kind, version)


def _annotation(actor: type, enclosing: Mapping[str, object]) -> Any:
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 # new in 3.14

        own = annotationlib.get_annotations(actor, format=annotationlib.Format.FORWARDREF)
    else:
        own = inspect.get_annotations(actor)
    if "state" not in own:
        return None
    module = sys.modules.get(actor.__module__)
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__={"state": own["state"]}),
            {**enclosing, **(vars(module) if module else {})},
            dict(enclosing),
        )
    except Exception as error:
        raise SpecError(
            "state",
            f"{actor.__name__}: cannot resolve the annotation {own['state']!r} ({error});"
            " define the class before the actor and import it outside TYPE_CHECKING",
        ) from error
    return hints["state"]


def _require_struct(actor: type, hint: Any) -> type[msgspec.Struct]:
    if not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        shown = hint.__name__ if isinstance(hint, type) else str(hint)
        raise SpecError(
            "state",
            f"{actor.__name__}.state is the durable state of the actor and must be a msgspec.Struct, not {shown};"
            " give the attribute another name if it is not meant to last",
        )
    for field in msgspec.structs.fields(hint):
        if field.required:
            raise SpecError("state", f"{hint.__name__}.{field.name} needs a default: a new actor begins with it")
    return hint


def read_state(actor: type[Actor], version: int, payload: bytes) -> msgspec.Struct:
    """Decode a stored state, upgraded from the version that wrote it.

    Raises:
        UnreadableStateError: says which field does not fit, or what else is wrong.
    """
    spec = state_of(actor)
    assert spec is not None, f"{actor.__name__} has no durable state"
    if version > spec.version:
        raise UnreadableStateError(
            "state", f"was stored by version {version} of {actor.__name__}, and this is version {spec.version}"
        )
    try:
        if version == spec.version:
            return spec.decode(payload)
        state = actor.upgrade_state(version, msgspec.json.decode(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        text, _, path = str(error).partition(" - at `$")
        raise UnreadableStateError(f"state{path.rstrip('`')}", text) from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise UnreadableStateError("state", f"could not be upgraded from version {version}: {what}") from error
    if not isinstance(state, spec.kind):
        wanted, got = spec.kind.__name__, type(state).__name__
        raise UnreadableStateError("state", f"upgrade_state of {actor.__name__} must return {wanted}, not {got}")
    return state


def guarded(method: Method, spec: StateSpec) -> Method:
    """A handler that is kept from running on a state that could not be read, and from changing it unseen.

    Only the completion of an event saves the state, so that a message in memory may look at it and no more.
    """

    def guard(instance: Any, message: Any) -> Any:
        fault, context = instance._actor_fault, instance._context  # noqa: SLF001 # its own package's
        if fault is not None:
            raise UnreadableStateError(fault.field, fault.problem)
        if context is not None and context.event_id is not None:
            return method(instance, message)
        before = spec.encode(instance.state)
        try:
            result = method(instance, message)
        except BaseException:
            instance.state = spec.decode(before)
            raise
        if type(result) is CoroutineType:
            return _unchanged_after(result, instance, message, spec, before)
        _require_unchanged(instance, message, spec, before)
        return result

    return guard


async def _unchanged_after(
    result: Awaitable[Any], instance: Any, message: object, spec: StateSpec, before: bytes
) -> Any:
    try:
        reply = await result
    except BaseException:
        instance.state = spec.decode(before)
        raise
    _require_unchanged(instance, message, spec, before)
    return reply


def _require_unchanged(instance: Any, message: object, spec: StateSpec, before: bytes) -> None:
    if spec.encode(instance.state) == before:
        return
    instance.state = spec.decode(before)
    raise StateError(
        "state",
        f"{type(instance).__name__} changed it over a {type(message).__name__} in memory, which saves nothing;"
        " enqueue an event instead",
    )
