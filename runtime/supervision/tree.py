"""Trees of supervisors declared as data, checked as a whole before anything is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random

import msgspec

from actors.errors import SpecError
from actors.spec import AutoShutdown, Intensity, Strategy, Supervision
from runtime.clock import Clock
from runtime.supervision.child import Child, ChildSpec
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor

NESTED = Supervision(shutdown_seconds=math.inf)
"""How a supervisor is looked after unless told otherwise: its subtree may take what its own limits allow."""


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf: `make` is called once with the name, and returns a child of that name."""

    name: str
    make: Callable[[str], Child]
    supervision: Supervision = Supervision()


class DynamicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A dynamic supervisor: `template` is how its children are looked after, `supervision` how it is itself."""

    name: str
    make: Callable[..., Child]
    template: Supervision = Supervision()
    intensity: Intensity = Intensity()
    supervision: Supervision = NESTED


class SupervisorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor and its children in start order. `supervision` is how it is looked after by the one above."""

    name: str
    children: Sequence[WorkerSpec | DynamicSpec | SupervisorSpec] = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    supervision: Supervision = NESTED


NodeSpec = WorkerSpec | DynamicSpec | SupervisorSpec


def check_tree(tree: SupervisorSpec) -> None:
    """Raise `SpecError` for the first contradiction, with its path from the root (`root/db/pool`) as `field`."""
    for problem in _problems(tree, tree.name, (), AutoShutdown.ALL_SIGNIFICANT):
        raise problem


def make_tree(tree: SupervisorSpec, *, clock: Clock, random: Random) -> Supervisor:
    """The supervisors and children of a checked tree, none of them started. Raises `SpecError` as `check_tree`."""
    check_tree(tree)
    return _make_supervisor(tree, tree.name, clock, random)


def _problems(
    spec: NodeSpec, path: str, above: tuple[NodeSpec, ...], auto_shutdown: AutoShutdown
) -> Iterator[SpecError]:
    if not spec.name or "/" in spec.name:
        yield SpecError(path, f"{spec.name!r} is no name; it needs at least one character, and no '/'")
    if spec.supervision.significant and auto_shutdown is AutoShutdown.NEVER:
        yield SpecError(path, "significant, but the supervisor above never shuts down by itself; set its auto_shutdown")
    if isinstance(spec, DynamicSpec) and spec.template.significant:
        yield SpecError(path, "children of a dynamic supervisor cannot be significant; use a plain supervisor")
    if isinstance(spec, SupervisorSpec):
        if any(spec is each for each in above):
            yield SpecError(path, "a supervisor cannot be below itself; give it another place")
        yield from _problems_below(spec, path, above)


def _problems_below(spec: SupervisorSpec, path: str, above: tuple[NodeSpec, ...]) -> Iterator[SpecError]:
    names: set[str] = set()
    for child in spec.children:
        below = f"{path}/{child.name}"
        if child.name in names:
            yield SpecError(below, f"two children of {spec.name!r} have this name; rename one")
        names.add(child.name)
        yield from _problems(child, below, (*above, spec), spec.auto_shutdown)


def _make_supervisor(spec: SupervisorSpec, path: str, clock: Clock, random: Random) -> Supervisor:
    return Supervisor(
        spec.name,
        [ChildSpec(_make(child, f"{path}/{child.name}", clock, random), child.supervision) for child in spec.children],
        strategy=spec.strategy,
        intensity=spec.intensity,
        auto_shutdown=spec.auto_shutdown,
        clock=clock,
        random=random,
    )


def _make(spec: NodeSpec, path: str, clock: Clock, random: Random) -> Child:
    if isinstance(spec, SupervisorSpec):
        return _make_supervisor(spec, path, clock, random)
    if isinstance(spec, DynamicSpec):
        return DynamicSupervisor(
            spec.name, spec.make, spec.template, intensity=spec.intensity, clock=clock, random=random
        )
    child = spec.make(spec.name)
    if child.name != spec.name:
        raise SpecError(path, f"its make returned a child named {child.name!r}; name it as it is told")
    return child
