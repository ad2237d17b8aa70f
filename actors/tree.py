"""Trees of supervised actors, declared as data.

App.tree(
SupervisorSpec(
"pipeline",
strategy=Strategy.REST_FOR_ONE,
children=[ActorSpec("reader", Reader), ActorSpec("parser", Parser), DynamicSpec("sessions", Session)],
)
)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from actors.actor import Actor
from actors.errors import SpecError
from actors.mailbox import Bounded
from actors.ref import M
from actors.spec import AutoShutdown, Intensity, Strategy, Supervision
from actors.state import state_of

NESTED = Supervision(shutdown_seconds=math.inf)
"""How a supervisor is looked after unless told otherwise: its subtree may take what its own limits allow."""


class ActorSpec(msgspec.Struct, Generic[M], frozen=True):
    """A leaf of a tree: an actor under a name that is unique among its siblings.

    The intensity that counts is that of the supervisor above, not the one in `supervision`.
    """

    name: str
    actor: type[Actor[M]]
    supervision: Supervision = Supervision()
    mailbox: Bounded | None = None


class DynamicSpec(msgspec.Struct, Generic[M], frozen=True):
    """A dynamic supervisor (OTP's simple_one_for_one): any number of actors of one class, started at run time by name.

    `template` is how they are looked after, `supervision` how the supervisor is itself.
    """

    name: str
    actor: type[Actor[M]]
    template: Supervision = Supervision()
    mailbox: Bounded | None = None
    intensity: Intensity = Intensity()
    supervision: Supervision = NESTED


class SupervisorSpec(msgspec.Struct, frozen=True):
    """A supervisor and its children in start order. `supervision` is how it is looked after by the one above."""

    name: str
    children: Sequence[NodeSpec] = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    supervision: Supervision = NESTED


if TYPE_CHECKING:
    NodeSpec = ActorSpec[Any] | DynamicSpec[Any] | SupervisorSpec
else:
    NodeSpec = ActorSpec | DynamicSpec | SupervisorSpec


def check_tree(tree: SupervisorSpec) -> None:
    """Raise `SpecError` for the first contradiction, with its path from the root (`root/db/pool`) as `field`."""
    if not isinstance(tree, SupervisorSpec):
        raise SpecError("tree", f"must be a SupervisorSpec, not {tree!r}")
    check_node(tree, tree.name, AutoShutdown.ALL_SIGNIFICANT)


def check_node(node: NodeSpec, path: str, above: AutoShutdown) -> None:
    """As `check_tree`, for what is to stand at `path` below a supervisor whose automatic shutdown is `above`."""
    for problem in _problems(node, path, (), above):
        raise problem


def _problems(
    spec: NodeSpec, path: str, above: tuple[NodeSpec, ...], auto_shutdown: AutoShutdown
) -> Iterator[SpecError]:
    if not isinstance(spec, ActorSpec | DynamicSpec | SupervisorSpec):
        yield SpecError(path, f"{spec!r} is none of ActorSpec, DynamicSpec and SupervisorSpec")
        return
    yield from problems_of_name(spec.name, path)
    if spec.supervision.significant and auto_shutdown is AutoShutdown.NEVER:
        yield SpecError(path, "significant, but the supervisor above never shuts down by itself; set its auto_shutdown")
    if isinstance(spec, DynamicSpec) and spec.template.significant:
        yield SpecError(path, "children of a dynamic supervisor cannot be significant; use a plain supervisor")
    if isinstance(spec, SupervisorSpec):
        if any(spec is each for each in above):
            yield SpecError(path, "a supervisor cannot be below itself; give it another place")
        yield from _problems_below(spec, path, above)
    else:
        yield from _problems_of_class(spec.actor, path)


def _problems_below(spec: SupervisorSpec, path: str, above: tuple[NodeSpec, ...]) -> Iterator[SpecError]:
    names: set[str] = set()
    for child in spec.children:
        name = getattr(child, "name", "?")
        below = f"{path}/{name}"
        if name in names:
            yield SpecError(below, f"two children of {spec.name!r} have this name; rename one")
        names.add(name)
        yield from _problems(child, below, (*above, spec), spec.auto_shutdown)


def _problems_of_class(actor: object, path: str) -> Iterator[SpecError]:
    if not (isinstance(actor, type) and issubclass(actor, Actor)):
        yield SpecError(path, f"its actor must be a class derived from Actor, not {actor!r}")
    elif state_of(actor) is not None:
        yield SpecError(path, f"{actor.__name__} has a durable state, which only actors of keyed services have")


def problems_of_name(name: object, path: str) -> Iterator[SpecError]:
    """Why a child cannot have this name."""
    if not isinstance(name, str) or not name or "/" in name:
        yield SpecError(path, f"{name!r} is no name; it needs at least one character, and no '/'")
