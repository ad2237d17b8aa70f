"""One event on its way through the machine: the plan, the state, the time, and what is to be done."""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any, Literal

from sagas.definition import Compensation, Step
from sagas.errors import ExpressionError
from sagas.expressions import expression
from sagas.machine.commands import Command, Wake
from sagas.machine.state import Activity, Instance, Undoable
from sagas.plan import UNDO, Plan, PlanNode, Rounds

CHILDREN = uuid.UUID("8f5a6c0e-6f0b-5a55-9f5e-0c4f1c1f7b6d")
"""The name space of the ids of sagas inside others."""


Todo = tuple[Literal["enter", "complete"], PlanNode, Rounds]
"""A node to enter, or one that has ended. In a list of its own, so that long sagas need no deep stack."""


class Run:
    """See the module."""

    __slots__ = ("commands", "instance", "now", "plan", "todo")

    def __init__(self, plan: Plan, instance: Instance, now: float) -> None:
        self.plan = plan.bound(instance)
        self.instance = instance
        self.now = now
        self.commands: list[Command] = []
        self.todo: deque[Todo] = deque()

    def enter(self, planned: PlanNode, rounds: Rounds) -> None:
        self.todo.append(("enter", planned, rounds))

    def complete(self, planned: PlanNode, rounds: Rounds) -> None:
        self.todo.append(("complete", planned, rounds))

    def note(self, what: str, place: str = "", detail: str = "") -> None:
        self.instance.note(self.now, what, place, detail)

    def data(self, planned: PlanNode, rounds: Rounds) -> dict[str, Any]:
        """What the expressions of a node see."""
        if not rounds:
            return self.instance.data
        seen = dict(self.instance.data)
        for depth, loop in enumerate(planned.loops, 1):
            seen.update(self.instance.scopes.get(self.plan[loop].place(rounds[:depth]), {}))
        return seen

    def write(self, planned: PlanNode, rounds: Rounds, value: Any) -> None:
        """Keep the output of a node, where it has one."""
        self.plan.keep(self, planned, rounds, value)

    def wake(self, place: str, activity: Activity, due_at: float) -> None:
        """Have the machine be told when a time comes; timers of this activity before it no longer count."""
        self.instance.timers += 1
        activity.timer = self.instance.timers
        activity.due_at = due_at
        self.commands.append(Wake(place, activity.timer, due_at))

    def message_of(self, planned: PlanNode, rounds: Rounds, message: Step | Compensation) -> dict[str, Any]:
        """The fields of the message of a step. Raises ExpressionError."""
        mapped = expression(message.input).evaluate(self.data(planned, rounds))
        if not isinstance(mapped, dict):
            raise ExpressionError(message.input, "the answer is not an object with the message's fields")
        return {**message.config, **mapped}

    def key_of(self, planned: PlanNode, rounds: Rounds, message: Step | Compensation) -> str | None:
        """The instance of the service that a step is for. Raises ExpressionError."""
        if message.key is None:
            return None
        key = expression(message.key).evaluate(self.data(planned, rounds))
        if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
            raise ExpressionError(message.key, "the answer is neither a text nor a whole number, which a key must be")
        return str(key)

    def idempotency_key(self, place: str) -> str:
        """What all sends of a step share, and nothing else does: two tenants may have sagas of one id."""
        tenant = self.instance.tenant
        if "/" in tenant or "%" in tenant:
            tenant = tenant.replace("%", "%25").replace("/", "%2F")
        return f"{tenant}/{self.instance.id}/{place}"

    def child_id(self, place: str, attempt: int) -> str:
        """The id of a saga inside this one: the same whenever it is asked for."""
        return str(uuid.uuid5(CHILDREN, f"{self.instance.id}/{place.removesuffix(UNDO)}/{attempt}"))

    def may_be_undone(self, planned: PlanNode, activity: Activity) -> None:
        """Remember that a node was done, or may have been."""
        if planned.undoable:
            undoable = Undoable(planned.id, activity.rounds, activity.attempt, activity.unsure)
            self.instance.undoables.append(undoable)
