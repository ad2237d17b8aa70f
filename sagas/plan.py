"""A definition made ready to run: its nodes in a flat list, each knowing its parent.

What is wrong in itself is refused here; what the checks need of the app's services is in `sagas.checking`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from sagas.definition import (
    MAX_AT_ONCE,
    MAX_NODES,
    NAME,
    RESERVED,
    Choice,
    Compensation,
    Definition,
    Loop,
    Node,
    Parallel,
    Sequence,
    Step,
    SubSaga,
    WaitSignal,
    WaitTime,
    require_retry,
    require_seconds,
)
from sagas.errors import DefinitionError, ExpressionError
from sagas.expressions import expression

if TYPE_CHECKING:
    from sagas.machine.run import Run
    from sagas.machine.state import Instance

CODE = -1
"""The node around the calls of a saga that is written as code."""
Rounds = tuple[int, ...]
"""Which round of each enclosing loop, the outermost first."""
UNDO = ":undo"


class Code(msgspec.Struct, frozen=True):
    """A saga written as code: what its calls stand in. It has no form in JSON."""

    name: str


class PlanNode(msgspec.Struct, frozen=True):
    """A node and where it stands. `loops` are the loops around it, the outermost first."""

    id: int
    node: Any
    parent: int | None
    children: tuple[int, ...]
    loops: tuple[int, ...]
    undoable: bool
    """Whether something in it may have to be undone."""
    beside: bool
    """Whether others may run beside it: it stands in branches, or in a loop with several rounds at once."""

    def place(self, rounds: Rounds) -> str:
        """The node's name in a running saga, such as `charge` or `charge[2]`."""
        name: str = self.node.name
        if not rounds:
            return name
        return name + "".join(f"[{number}]" for number in rounds)


class Plan:
    """See the module. Raises DefinitionError with step and field."""

    is_code: ClassVar[bool] = False
    """Whether the nodes are asked for by code as it goes, rather than laid down beforehand."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.nodes: list[PlanNode] = []
        self.by_name: dict[str, PlanNode] = {}
        _require_name(definition.name, "name", definition.name)
        self.types: dict[str, Any] = {"input": Any}
        """The type of each name in the saga's data, as far as the services tell."""
        self.root = self._add(definition.root, None, (), beside=False)
        self.types.update(dict.fromkeys(self.outputs(), Any))
        self.signals = frozenset(each.node.signal for each in self.nodes if isinstance(each.node, WaitSignal))
        self.has_pivot = any(isinstance(each.node, Step) and each.node.pivot for each in self.nodes)
        if definition.result is not None:
            require_expression("", "result", definition.result)

    def bound(self, instance: Instance) -> Plan:  # noqa: ARG002 # one plan is that of all instances
        """The plan of one instance."""
        return self

    def start(self, run: Run) -> None:
        """Begin a saga, or go on with one that is written as code."""
        run.enter(self[self.root], ())

    def resume(self, run: Run, planned: PlanNode) -> None:
        """Go on after a call of a saga's code has ended."""
        raise NotImplementedError

    def keep(self, run: Run, planned: PlanNode, rounds: Rounds, value: Any) -> None:
        """Keep the output of a node, where it has one."""
        output = getattr(planned.node, "output", None)
        if output is None:
            return
        if planned.loops:
            loop = self[planned.loops[-1]].place(rounds[: len(planned.loops)])
            run.instance.scopes.setdefault(loop, {})[output] = value
        else:
            run.instance.data[output] = value

    def output_type(self, run: Run, planned: PlanNode) -> Any:  # noqa: ARG002 # see `sagas.code_plan`
        """The type of what a step or saga answers, as far as it is known."""
        return Any if planned.loops else self.types.get(planned.node.output, Any)

    def catches(self, run: Run, planned: PlanNode, error: str) -> bool:  # noqa: ARG002 # see `sagas.code_plan`
        """Whether it is for the saga's code to say what a failure leads to."""
        return False

    def compensation(self, run: Run, planned: PlanNode) -> Compensation:  # noqa: ARG002 # as above
        """What undoes a step. Raises ExpressionError."""
        made: Compensation = planned.node.compensation
        return made

    @property
    def sagas(self) -> frozenset[str]:
        """The names of the sagas inside it."""
        return frozenset(each.node.saga for each in self.nodes if isinstance(each.node, SubSaga))

    def step_with(self, saga: str) -> str:
        """The name of a node that runs a saga."""
        return next(each.node.name for each in self.nodes if isinstance(each.node, SubSaga) and each.node.saga == saga)

    def __getitem__(self, number: int) -> PlanNode:
        return self.nodes[number]

    def outputs(self) -> frozenset[str]:
        """Every name that a node writes to the saga's own data, not to that of a loop's round."""
        return frozenset(
            each.node.output for each in self.nodes if not each.loops and getattr(each.node, "output", None) is not None
        )

    def _add(self, node: Node, parent: int | None, loops: tuple[int, ...], *, beside: bool) -> int:
        number = len(self.nodes)
        if number >= MAX_NODES:
            raise DefinitionError(node.name, "name", f"is one node more than {MAX_NODES}, the limit")
        self._require_new_name(node)
        check_node(node)
        self.nodes.append(PlanNode(number, node, parent, (), loops, undoable=False, beside=beside))
        inner = (*loops, number) if isinstance(node, Loop) else loops
        shared = beside or isinstance(node, Parallel) or (isinstance(node, Loop) and node.at_once > 1)
        children = tuple(self._add(child, number, inner, beside=shared) for child in children_of(node))
        undoable = _is_undoable(node) or any(self.nodes[child].undoable for child in children)
        made = PlanNode(number, node, parent, children, loops, undoable, beside)
        self.nodes[number] = self.by_name[node.name] = made
        return number

    def _require_new_name(self, node: Node) -> None:
        _require_name(node.name, "name", node.name)
        if any(each.node.name == node.name for each in self.nodes):
            raise DefinitionError(node.name, "name", "is the name of two nodes")


def children_of(node: Node) -> Iterator[Node]:
    """The nodes directly inside one, in order."""
    match node:
        case Sequence():
            yield from node.nodes
        case Parallel():
            yield from node.branches
        case Choice():
            yield from (case.then for case in node.cases)
            if node.otherwise is not None:
                yield node.otherwise
        case Loop():
            yield node.body
        case _:
            return


def check_node(node: Node) -> None:
    """Raises DefinitionError for a field that is wrong in itself."""
    output = getattr(node, "output", None)
    if output is not None:
        _require_variable(node.name, "output", output)
    match node:
        case Step():
            _check_step(node)
        case SubSaga():
            _require_name(node.name, "saga", node.saga)
            require_expression(node.name, "input", node.input)
        case Choice():
            _check_choice(node)
        case Loop():
            _check_loop(node)
        case WaitSignal():
            _require_name(node.name, "signal", node.signal)
            require_seconds(node.name, "timeout_seconds", node.timeout_seconds)
        case WaitTime():
            _check_wait_time(node)
        case Parallel() if _pivots_in(node):
            raise DefinitionError(_pivots_in(node), "pivot", "stands in parallel branches, where others may yet fail")
        case _:
            return


def require_expression(step: str, field: str, text: str) -> None:
    """Raises DefinitionError for a text that cannot be read as an expression."""
    try:
        expression(text)
    except ExpressionError as error:
        raise DefinitionError(step, field, str(error)) from None


def _check_step(node: Step) -> None:
    require_retry(node.name, "retry", node.retry)
    require_seconds(node.name, "timeout_seconds", node.timeout_seconds)
    _check_message(node.name, "", node)
    if node.compensation is not None:
        require_retry(node.name, "compensation.retry", node.compensation.retry)
        _check_message(node.name, "compensation.", node.compensation)


def _check_message(step: str, field: str, message: Step | Compensation) -> None:
    require_expression(step, f"{field}input", message.input)
    if message.key is not None:
        require_expression(step, f"{field}key", message.key)


def _check_choice(node: Choice) -> None:
    if not node.cases:
        raise DefinitionError(node.name, "cases", "are none")
    for number, case in enumerate(node.cases):
        require_expression(node.name, f"cases[{number}].when", case.when)


def _check_loop(node: Loop) -> None:
    require_expression(node.name, "over", node.over)
    _require_variable(node.name, "item", node.item)
    if not 1 <= node.at_once <= MAX_AT_ONCE:
        raise DefinitionError(node.name, "at_once", f"must be between 1 and {MAX_AT_ONCE}, not {node.at_once}")
    if node.collect is not None:
        require_expression(node.name, "collect", node.collect)
    if (node.collect is None) != (node.output is None):
        raise DefinitionError(node.name, "collect", "goes with an output: give both or none")
    if node.at_once > 1 and (pivot := _pivots_in(node)):
        raise DefinitionError(pivot, "pivot", f"stands in the loop {node.name}, whose other rounds may yet fail")


def _check_wait_time(node: WaitTime) -> None:
    if (node.seconds is None) == (node.until is None):
        raise DefinitionError(node.name, "seconds", "give either seconds or until")
    require_seconds(node.name, "seconds", node.seconds)
    if node.until is not None:
        require_expression(node.name, "until", node.until)


def _pivots_in(node: Node) -> str:
    """The name of a pivot inside a node, or an empty string."""
    for child in children_of(node):
        if isinstance(child, Step) and child.pivot:
            return child.name
        if found := _pivots_in(child):
            return found
    return ""


def _is_undoable(node: Node) -> bool:
    return isinstance(node, SubSaga) or (isinstance(node, Step) and node.compensation is not None)


def _require_name(step: str, field: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise DefinitionError(step, field, f"{name!r} must be a word of at most 63 letters, digits, - or _")


def _require_variable(step: str, field: str, name: str) -> None:
    _require_name(step, field, name)
    if name in RESERVED:
        raise DefinitionError(step, field, f"{name!r} is a name that every saga's data has already")
