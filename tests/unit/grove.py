"""Trees of actors without a store."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

from actors import Actor, ActorError, Bounded, Ref, Supervision, SupervisorRef, SupervisorSpec, check_tree
from runtime.cells.cell import Cell
from runtime.cells.children import spawn_child
from runtime.cells.refs import LocalRef
from runtime.cells.run_queue import RunQueue
from runtime.clock import SystemClock
from runtime.machinery import Machinery
from runtime.supervision.supervisor import Supervisor
from runtime.tree import TreeNode
from runtime.trees.directory import TreeAddress, Trees
from runtime.trees.making import make_supervisor
from runtime.trees.supervisor_ref import TreeSupervisorRef
from tests.unit.arena import AT_ONCE


class Grove:
    """One tree, and what the actors in it find around them: the part of `Machinery` that needs no store."""

    def __init__(self, spec: SupervisorSpec) -> None:
        check_tree(spec)
        self.clock = SystemClock()
        self.random = random.Random(0)
        self.run_queue = RunQueue()
        self.trees = Trees("app")
        self.ended: list[BaseException | None] = []
        self.root: Supervisor = make_supervisor(spec, f"app/{spec.name}", cast("Machinery", self))
        self.trees.add(self.root)

    def lookup(self, service: str, tenant: str | None = None, key: str | None = None) -> Ref:
        if "/" not in service:
            raise ActorError(f"there is no service {service!r}")
        return LocalRef(TreeAddress(self.trees, service))

    def supervisor_at(self, path: str) -> SupervisorRef:
        return TreeSupervisorRef(cast("Machinery", self), path)

    def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
    ) -> Coroutine[Any, Any, Ref]:
        return spawn_child(cast("Machinery", self), parent, actor, name, supervision or AT_ONCE, mailbox)

    def node(self, *path: str) -> TreeNode:
        node = self.root.node()
        for name in path:
            node = next(child for child in node.children if child.name == name)
        return node


@contextlib.asynccontextmanager
async def grove(spec: SupervisorSpec) -> AsyncIterator[Grove]:
    """A tree that runs inside the block, and leaves nothing behind."""
    before = asyncio.all_tasks()
    made = Grove(spec)
    await made.root.start(made.ended.append)
    try:
        yield made
    finally:
        await made.root.stop(5.0)
        await made.run_queue.close()
        assert asyncio.all_tasks() - before <= {asyncio.current_task()}
