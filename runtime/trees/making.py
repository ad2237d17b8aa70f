"""Supervisors and actors made of what was declared; none of them started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.tree import ActorSpec, DynamicSpec, NodeSpec, SupervisorSpec
from runtime.supervision.child import Child, ChildSpec
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor
from runtime.trees.actor_child import ActorChild

if TYPE_CHECKING:
    from runtime.machinery import Machinery


def make_child(spec: NodeSpec, path: str, machinery: Machinery) -> Child:
    """What `spec` describes, to stand at `path`. The specification has been checked."""
    match spec:
        case SupervisorSpec():
            return make_supervisor(spec, path, machinery)
        case DynamicSpec():
            return _make_dynamic(spec, path, machinery)
        case _:
            return ActorChild(spec, path, machinery)


def make_supervisor(spec: SupervisorSpec, path: str, machinery: Machinery) -> Supervisor:
    made = [(child, make_child(child, f"{path}/{child.name}", machinery)) for child in spec.children]
    supervisor = Supervisor(
        spec.name,
        [ChildSpec(child, each.supervision) for each, child in made],
        strategy=spec.strategy,
        intensity=spec.intensity,
        auto_shutdown=spec.auto_shutdown,
        clock=machinery.clock,
        random=machinery.random,
    )
    for _, child in made:
        if isinstance(child, ActorChild):
            child.supervisor = supervisor
    return supervisor


def _make_dynamic(spec: DynamicSpec, path: str, machinery: Machinery) -> DynamicSupervisor[[str], ActorChild]:
    def make(name: str) -> ActorChild:
        actor = ActorSpec(name, spec.actor, supervision=spec.template, mailbox=spec.mailbox)
        child = ActorChild(actor, f"{path}/{name}", machinery)
        child.supervisor = supervisor
        return child

    supervisor = DynamicSupervisor(
        spec.name,
        make,
        spec.template,
        intensity=spec.intensity,
        clock=machinery.clock,
        random=machinery.random,
    )
    return supervisor
