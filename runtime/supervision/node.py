"""A supervisor's picture of itself and of its children."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import msgspec

from runtime.core.supervision_child import ChildRecord, ChildState
from runtime.core.supervision_state import SupervisorState
from runtime.supervision.child import Child
from runtime.tree import TreeNode

MAX_CHILDREN_SHOWN = 100


def child_state(record: ChildRecord) -> str:
    """The child's state in one word. One that is down is `waiting`, `terminated` by request, or has `ended`."""
    if record.up:
        return record.state.value
    if record.waits_for is not None:
        return "waiting"
    if record.wanted:
        return "starting"
    return "terminated" if record.held else "ended"


def with_children(
    own: TreeNode, machine: SupervisorState, children: Mapping[str, Child], *, now: float, max_children: int
) -> TreeNode:
    """`own` with its first `max_children` children; `now` is monotonic."""
    records = machine.children
    return msgspec.structs.replace(
        own,
        children=tuple(
            child_node(children[record.name].node(), record, machine.restart_due_at(record), now)
            for record in islice(records.values(), max_children)
        ),
        children_total=len(records),
    )


def child_node(node: TreeNode, record: ChildRecord, due_at: float | None, now: float) -> TreeNode:
    """A child's own picture with what its supervisor knows; times are monotonic."""
    detail = node.detail
    if due_at is not None:
        detail = f"starts again in {max(0.0, due_at - now):.1f} s"
    return msgspec.structs.replace(
        node,
        state=node.state if record.state is ChildState.RUNNING else child_state(record),
        restarts=record.restarts,
        last_reason=record.restart_reason or record.last_reason,
        last_restart_at=record.last_restart_at,
        exits=record.exits,
        detail=detail,
    )
