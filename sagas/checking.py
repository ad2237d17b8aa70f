"""Whether a saga can run in an app: its services exist, take what they are sent, and give what is read of them.

The checks follow the flow: an expression sees the outputs of the nodes before it, with their types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sagas.definition import Choice, Compensation, Loop, Parallel, Sequence, Step, SubSaga, WaitSignal, WaitTime
from sagas.errors import DefinitionError, ExpressionError
from sagas.expressions import expression
from sagas.plan import Plan, PlanNode
from sagas.shapes import ListShape, ObjectShape, Shape, answer_of, fields_of, item_of, members, misfit, name_of

Data = dict[str, Shape]
ABOUT = ObjectShape({"id": str, "tenant": str, "started_at": float})


class Advertised(msgspec.Struct, frozen=True):
    """What a service says it takes, by message name, and what it answers each message with."""

    takes: Mapping[str, Any]
    answers: Mapping[str, Any]


class Known(msgspec.Struct, frozen=True):
    """A saga as the one around it sees it."""

    input: Any
    result: Any
    has_pivot: bool
    sagas: frozenset[str] = frozenset()
    """The sagas inside it."""


class Checked(msgspec.Struct, frozen=True):
    """What the checks found out: the types of the saga's data, and of its result."""

    data: dict[str, Any]
    result: Any


def check(plan: Plan, input_type: Any, services: Mapping[str, Advertised], sagas: Mapping[str, Known]) -> Checked:
    """Check a whole saga. Raises DefinitionError with step and field for the first thing that cannot work."""
    checker = _Checker(plan, services, sagas)
    data = checker.follow(plan[plan.root], {"input": input_type, "saga": ABOUT})
    result: Any = None
    if plan.definition.result is not None:
        result = checker.answer("", "result", plan.definition.result, data)
    return Checked({name: data.get(name, Any) for name in plan.types}, result)


class _Checker:
    def __init__(self, plan: Plan, services: Mapping[str, Advertised], sagas: Mapping[str, Known]) -> None:
        self._plan = plan
        self._services = services
        self._sagas = sagas

    def answer(self, step: str, name: str, text: str, data: Data) -> Shape:
        try:
            return answer_of(expression(text), data)
        except ExpressionError as error:
            raise DefinitionError(step, name, str(error)) from None

    def follow(self, planned: PlanNode, data: Data) -> Data:
        """The data after a node, given that before it."""
        match planned.node:
            case Sequence():
                for child in planned.children:
                    data = self.follow(self._plan[child], data)
            case Parallel():
                data = self._follow_branches(planned, data)
            case Choice() as node:
                data = self._follow_choice(planned, node, data)
            case Loop() as node:
                data = self._follow_loop(planned, node, data)
            case Step() as node:
                data = self._follow_step(node, data)
            case SubSaga() as node:
                data = self._follow_saga(planned, node, data)
            case WaitTime(until=str(until)) as node:
                self._require(node.name, "until", until, data, float)
            case WaitSignal(output=str(output)):
                data = {**data, output: Any}
        return data

    def _follow_branches(self, planned: PlanNode, data: Data) -> Data:
        after = dict(data)
        writers: dict[str, str] = {}
        for child in planned.children:
            for name, shape in self.follow(self._plan[child], data).items():
                if name in data and data[name] is shape:
                    continue
                if name in writers:
                    raise DefinitionError(
                        self._plan[child].node.name, "output", f"{name!r} is also written by the branch {writers[name]}"
                    )
                writers[name] = self._plan[child].node.name
                after[name] = shape
        return after

    def _follow_choice(self, planned: PlanNode, node: Choice, data: Data) -> Data:
        for number, case in enumerate(node.cases):
            self._require(node.name, f"cases[{number}].when", case.when, data, bool)
        ends = [self.follow(self._plan[child], data) for child in planned.children]
        if node.otherwise is None:
            ends.append(data)
        return _merged(ends)

    def _follow_loop(self, planned: PlanNode, node: Loop, data: Data) -> Data:
        items = self._require(node.name, "over", node.over, data, list)
        inside = {**data, node.item: item_of(items), "index": int}
        after = self.follow(self._plan[planned.children[0]], inside)
        if node.output is None or node.collect is None:
            return data
        return {**data, node.output: ListShape(self.answer(node.name, "collect", node.collect, after))}

    def _follow_step(self, node: Step, data: Data) -> Data:
        answered = self._check_message(node.name, "", node, data)
        after = data if node.output is None else {**data, node.output: answered}
        if node.compensation is not None:
            self._check_message(node.name, "compensation.", node.compensation, after)
        return after

    def _follow_saga(self, planned: PlanNode, node: SubSaga, data: Data) -> Data:
        known = self._sagas.get(node.saga)
        if known is None:
            there = ", ".join(sorted(self._sagas)) or "none"
            raise DefinitionError(node.name, "saga", f"no saga is named {node.saga!r}; there are: {there}")
        if known.has_pivot and planned.beside:
            raise DefinitionError(node.name, "saga", f"{node.saga} has a pivot, and others run beside it that may fail")
        given = self.answer(node.name, "input", node.input, data)
        self._require_fit(node.name, "input", given, known.input)
        return data if node.output is None else {**data, node.output: known.result}

    def _check_message(self, step: str, prefix: str, message: Step | Compensation, data: Data) -> Shape:
        """Check what a service is sent; return what it answers with."""
        service = self._services.get(message.service)
        if service is None:
            there = ", ".join(sorted(self._services)) or "none"
            raise DefinitionError(
                step, f"{prefix}service", f"no service is named {message.service!r}; there are: {there}"
            )
        name = _message_name(step, prefix, message, service)
        given = self.answer(step, f"{prefix}input", message.input, data)
        if not any(one is Any or isinstance(one, ObjectShape) or _is_object(one) for one in members(given)):
            raise DefinitionError(
                step, f"{prefix}input", f"answers with {name_of(given)}, not with the message's fields"
            )
        if message.key is not None:
            self._require(step, f"{prefix}key", message.key, data, str | int)
        self._require_fields(step, prefix, given, message.config, service.takes[name])
        return service.answers[name]

    def _require_fields(self, step: str, prefix: str, given: Shape, config: Mapping[str, Any], kind: Any) -> None:
        """Check constants and mapping against a message's fields. Of another message, fields too many are passed by."""
        if kind is dict:
            return
        taken = fields_of(kind)
        constants = {field: _type_of(value) for field, value in config.items()}
        anything = dict.fromkeys(taken, Any)
        self._require_fit(step, f"{prefix}config", ObjectShape({**anything, **constants}), kind)
        if isinstance(given, ObjectShape):
            self._require_fit(step, f"{prefix}input", ObjectShape({**constants, **given.fields}), kind)
        elif mapped := fields_of(given):
            passed = {name: shape for name, shape in mapped.items() if name in taken}
            self._require_fit(step, f"{prefix}input", ObjectShape({**constants, **passed}), kind)

    def _require(self, step: str, name: str, text: str, data: Data, wanted: Any) -> Shape:
        answer = self.answer(step, name, text, data)
        self._require_fit(step, name, answer, wanted)
        return answer

    def _require_fit(self, step: str, name: str, given: Shape, wanted: Any) -> None:
        problem = misfit(given, wanted)
        if problem is not None:
            place, why = problem
            raise DefinitionError(step, f"{name}.{place}" if place else name, why)


def _message_name(step: str, prefix: str, message: Step | Compensation, service: Advertised) -> str:
    there = ", ".join(sorted(name or "dynamic messages" for name in service.takes))
    if message.message in service.takes:
        return message.message
    if message.message:
        problem = f"{message.service} does not take {message.message!r}; it takes: {there}"
        raise DefinitionError(step, f"{prefix}message", problem)
    if len(service.takes) != 1:
        raise DefinitionError(step, f"{prefix}message", f"is required: {message.service} takes {there}")
    return next(iter(service.takes))


def _merged(ends: list[Data]) -> Data:
    """What holds after one of several ways: a name that one of them writes may be null."""
    names = dict.fromkeys(name for end in ends for name in end)
    return {name: _common([end.get(name, Any) for end in ends]) for name in names}


def _common(shapes: list[Shape]) -> Shape:
    return shapes[0] if all(shape is shapes[0] or shape == shapes[0] for shape in shapes) else Any


def _is_object(shape: Shape) -> bool:
    return shape is dict or not isinstance(shape, type) or issubclass(shape, msgspec.Struct)


def _type_of(value: object) -> Shape:
    return type(value) if value is None or isinstance(value, str | int | float | bool) else Any
