"""Children that actors spawn: each parent has a supervisor of its own, made with its first child."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.actor import Actor
from actors.errors import ActorStoppedError
from actors.ref import Ref
from actors.spec import Supervision
from runtime.cell import Cell
from runtime.letter import LocalRef
from runtime.supervisor import Supervisor
from runtime.supervisor_child import ChildSpec
from runtime.tree import TreeNode

if TYPE_CHECKING:
    from runtime.machinery import Machinery

OnExit = Callable[[BaseException | None], None]


async def spawn_child(
    machinery: Machinery, parent: Cell, actor: type[Actor], name: str, supervision: Supervision
) -> Ref:
    """Start a child of an actor and return its reference. Raises SpecError where the name is taken."""
    if parent.children is None:
        parent.children = Supervisor(
            parent.name,
            [],
            intensity=supervision.intensity,
            clock=machinery.clock,
            random=machinery.random,
        )
        await parent.children.start(parent.child_gave_up)
    child = SpawnedChild(machinery, parent, actor, name)
    await parent.children.add_child(ChildSpec(child, supervision))
    return LocalRef(child)


class SpawnedChild:
    """An actor under another actor, as a supervisor's child. References to it outlive its restarts."""

    def __init__(self, machinery: Machinery, parent: Cell, actor: type[Actor], name: str) -> None:
        self.name = name
        self._machinery = machinery
        self._parent = parent
        self._actor = actor
        self._cell: Cell | None = None
        self._on_exit: OnExit | None = None

    @property
    def path(self) -> str:
        return f"{self._parent.path}/{self.name}"

    def cell(self) -> Cell:
        if self._cell is None:
            raise ActorStoppedError(f"{self.path} has stopped")
        return self._cell

    async def start(self, on_exit: OnExit) -> None:
        if self._cell is None or self._cell.stopped:
            self._cell = self._new_cell()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def report(error: BaseException | None) -> None:
            if started.done():
                return
            if error is None:
                self._on_exit = on_exit  # a message that waits already may end this life before `start` returns
                started.set_result(None)
            else:
                started.set_exception(error)

        self._on_exit = None
        self._cell.start(report)
        await started

    async def stop(self, shutdown_seconds: float) -> None:
        if self._cell is not None:
            await self._cell.stop(shutdown_seconds)

    def node(self) -> TreeNode:
        return self._cell.node() if self._cell else TreeNode(name=self.name, kind="actor", state="new", since=0.0)

    def cell_failed(self, cell: Cell, reason: BaseException) -> None:  # noqa: ARG002 # the protocol's signature
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(reason)

    def cell_restarted(self, cell: Cell, reason: BaseException) -> None:
        """Nothing to do: only events explain a restart, and a spawned actor gets none."""

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        return self._machinery.lookup(service, tenant, key)

    async def spawn(self, parent: Cell, actor: type[Actor], name: str, supervision: Supervision | None) -> Ref:
        return await self._machinery.spawn(parent, actor, name, supervision)

    def _new_cell(self) -> Cell:
        return Cell(
            self.path,
            self._actor,
            service=self._parent.service,
            tenant=self._parent.tenant,
            key=self._parent.key,
            owner=self,
            run_queue=self._machinery.run_queue,
            clock=self._machinery.clock,
        )
