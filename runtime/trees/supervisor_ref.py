"""The reference of a supervisor in a tree: OTP's operations on its children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from actors.children import ChildCounts, ChildInfo
from actors.errors import SpecError
from actors.ref import M, Ref
from actors.supervisor_ref import SupervisorRef
from actors.tree import ActorSpec, DynamicSpec, SupervisorSpec, check_node, problems_of_name
from runtime.errors import ConflictError
from runtime.supervision.child import ChildSpec
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor
from runtime.trees.actor_child import ActorChild
from runtime.trees.directory import AnySupervisor
from runtime.trees.making import make_child

if TYPE_CHECKING:
    from runtime.machinery import Machinery


class TreeSupervisorRef:
    """See `actors.SupervisorRef`."""

    def __init__(self, machinery: Machinery, path: str) -> None:
        self._machinery = machinery
        machinery.trees.supervisor(path)
        self.path = machinery.trees.full_path(path)

    @property
    def _supervisor(self) -> AnySupervisor:
        return self._machinery.trees.supervisor(self.path)

    def count_children(self) -> ChildCounts:
        return self._supervisor.count_children()

    def which_children(self) -> tuple[ChildInfo, ...]:
        return self._supervisor.which_children()

    @overload
    async def start_child(self, child: ActorSpec[M], /) -> Ref[M]: ...
    @overload
    async def start_child(self, child: SupervisorSpec | DynamicSpec[Any], /) -> SupervisorRef: ...
    @overload
    async def start_child(self, child: str, /) -> Ref[Any]: ...
    async def start_child(self, child: ActorSpec[M] | DynamicSpec[M] | SupervisorSpec | str, /) -> Any:
        supervisor = self._supervisor
        if isinstance(supervisor, DynamicSupervisor):
            return await self._start_dynamic(supervisor, child)
        if isinstance(child, str):
            raise SpecError(f"{self.path}/{child}", "give its ActorSpec; only dynamic supervisors start by name")
        return await self._add(supervisor, child)

    async def terminate_child(self, name: str) -> None:
        await self._supervisor.terminate_child(name)

    async def restart_child(self, name: str) -> None:
        await self._plain("restarted").restart_child(name)

    async def delete_child(self, name: str) -> None:
        await self._plain("deleted").delete_child(name)

    async def _start_dynamic(self, supervisor: DynamicSupervisor[[str], ActorChild], name: object) -> Ref:
        if not isinstance(name, str):
            raise SpecError(self.path, f"a dynamic supervisor starts its children by name, not by {name!r}")
        for problem in problems_of_name(name, f"{self.path}/{name}"):
            raise problem
        return (await supervisor.start_child(name)).ref

    async def _add(
        self, supervisor: Supervisor, spec: ActorSpec[Any] | DynamicSpec[Any] | SupervisorSpec
    ) -> Ref | SupervisorRef:
        path = f"{self.path}/{getattr(spec, 'name', '?')}"
        check_node(spec, path, supervisor.auto_shutdown)
        child = make_child(spec, path, self._machinery)
        if isinstance(child, ActorChild):
            child.supervisor = supervisor
        await supervisor.add_child(ChildSpec(child, spec.supervision))
        return child.ref if isinstance(child, ActorChild) else TreeSupervisorRef(self._machinery, path)

    def _plain(self, what: str) -> Supervisor:
        supervisor = self._supervisor
        if isinstance(supervisor, DynamicSupervisor):
            raise ConflictError(
                f"{self.path}: children of a dynamic supervisor are not {what}, but ended and forgotten"
            )
        return supervisor

    def __repr__(self) -> str:
        return f"<SupervisorRef {self.path}>"
