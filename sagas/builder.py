"""Definitions written in Python, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from sagas.definition import (
    NOTHING,
    Case,
    Choice,
    Compensation,
    Definition,
    FailurePolicy,
    Loop,
    Node,
    Parallel,
    Retry,
    Sequence,
    Step,
    SubSaga,
    WaitSignal,
    WaitTime,
)

UNDO_RETRY = Compensation(service="").retry


def undo(
    service: str,
    input: str = NOTHING,  # noqa: A002 # the field's name
    *,
    message: str = "",
    config: Mapping[str, Any] | None = None,
    key: str | None = None,
    retry: Retry = UNDO_RETRY,
) -> Compensation:
    """What undoes a step; see `Compensation`."""
    return Compensation(service=service, input=input, message=message, config=dict(config or {}), key=key, retry=retry)


class Flow:
    """Nodes one after another: a whole saga, a branch, or the body of a loop. Methods add a node and return the flow.

    The fields of the nodes are explained in `sagas.definition`. Nothing is checked before `SagaCatalog.register`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[Node] = []

    def step(
        self,
        name: str,
        service: str,
        input: str = NOTHING,  # noqa: A002 # the field's name
        *,
        message: str = "",
        config: Mapping[str, Any] | None = None,
        key: str | None = None,
        output: str | None = None,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
        undo: Compensation | None = None,
        pivot: bool = False,
    ) -> Self:
        return self._add(
            Step(
                name=name,
                service=service,
                input=input,
                message=message,
                config=dict(config or {}),
                key=key,
                output=output,
                retry=retry or Retry(),
                timeout_seconds=timeout_seconds,
                compensation=undo,
                pivot=pivot,
            )
        )

    def parallel(self, name: str, *branches: Flow) -> Self:
        return self._add(Parallel(name=name, branches=tuple(branch.sequence() for branch in branches)))

    def choice(self, name: str, *cases: tuple[str, Flow], otherwise: Flow | None = None) -> Self:
        """Each case is a condition and the flow that it leads to."""
        made = tuple(Case(when=when, then=flow.sequence()) for when, flow in cases)
        return self._add(Choice(name=name, cases=made, otherwise=otherwise.sequence() if otherwise else None))

    def each(
        self,
        name: str,
        over: str,
        body: Flow,
        *,
        item: str = "item",
        at_once: int = 1,
        collect: str | None = None,
        output: str | None = None,
    ) -> Self:
        return self._add(
            Loop(name=name, over=over, body=body.sequence(), item=item, at_once=at_once, collect=collect, output=output)
        )

    def wait_signal(
        self, name: str, signal: str, *, output: str | None = None, timeout_seconds: float | None = None
    ) -> Self:
        return self._add(WaitSignal(name=name, signal=signal, output=output, timeout_seconds=timeout_seconds))

    def wait(self, name: str, *, seconds: float | None = None, until: str | None = None) -> Self:
        return self._add(WaitTime(name=name, seconds=seconds, until=until))

    def saga(self, name: str, saga: str, input: str = NOTHING, *, output: str | None = None) -> Self:  # noqa: A002 # as above
        return self._add(SubSaga(name=name, saga=saga, input=input, output=output))

    def sequence(self) -> Sequence:
        """The flow as one node."""
        return Sequence(name=self.name, nodes=tuple(self._nodes))

    def definition(
        self,
        *,
        result: str | None = None,
        on_failure: FailurePolicy = "compensate",
        label: str = "",
        description: str = "",
        owner: str = "",
    ) -> Definition:
        """The flow as a whole saga, under its name."""
        return Definition(
            name=self.name,
            root=self.sequence(),
            result=result,
            on_failure=on_failure,
            label=label,
            description=description,
            owner=owner,
        )

    def _add(self, node: Node) -> Self:
        self._nodes.append(node)
        return self
