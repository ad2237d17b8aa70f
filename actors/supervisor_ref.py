"""Supervisors of a tree at run time."""

from __future__ import annotations

from typing import Any, Protocol, overload

from actors.children import ChildCounts, ChildInfo
from actors.ref import M, Ref
from actors.tree import ActorSpec, DynamicSpec, SupervisorSpec


class SupervisorRef(Protocol):
    """The address of a supervisor, for OTP's operations on its children. It is found anew for each of them.

    What is asked takes place between two steps of the supervisor. So a child that asks its own supervisor from
    `on_start`, or to terminate itself, would wait for itself: start a task for that, or use `ctx.stop`.

    All raise `runtime.errors.NotFoundError` where there is no such supervisor or child, and `ConflictError` where the
    supervisor does not run, or the child is in a state that does not allow it.
    """

    @property
    def path(self) -> str: ...

    def count_children(self) -> ChildCounts: ...

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children in start order, each with the last exits of its lives."""
        ...

    @overload
    async def start_child(self, child: ActorSpec[M], /) -> Ref[M]: ...
    @overload
    async def start_child(self, child: SupervisorSpec | DynamicSpec[Any], /) -> SupervisorRef: ...
    @overload
    async def start_child(self, child: str, /) -> Ref[Any]: ...
    async def start_child(self, child: Any, /) -> Any:
        """Add a child at the end of the start order and start it; of a dynamic supervisor, an actor of this name.

        Raises:
            SpecError: the specification contradicts itself, or is not of the kind that this supervisor takes.
            ConflictError: there is a child of that name already, whether it runs or not.
            Exception: what kept it from starting; then it is not kept.
        """
        ...

    async def terminate_child(self, name: str) -> None:
        """Stop a child. It stays down until `restart_child`; a temporary or a dynamic one is forgotten."""
        ...

    async def restart_child(self, name: str) -> None:
        """Start a child that is down. Raises also what keeps it from starting, and ConflictError for a dynamic one."""
        ...

    async def delete_child(self, name: str) -> None:
        """Forget a child that is down. Raises also ConflictError for a dynamic one: terminate it."""
        ...
