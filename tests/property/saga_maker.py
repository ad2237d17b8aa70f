"""Random sagas, some of which have others inside."""

from __future__ import annotations

from random import Random
from typing import Any

from sagas.builder import Flow, undo
from sagas.definition import Definition, Retry, decode, encode
from sagas.plan import Plan

RETRIES = (Retry(), Retry(attempts=2), Retry(attempts=3, initial_seconds=5.0))
MAX_INNER = 2


class Maker:
    """Makes definitions at random, inner ones first. Names are numbered, so that each is its node's own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._pivoting: dict[str, bool] = {}
        """Whether there is a pivot in a saga that was made, or in one inside it."""

    def family(self) -> list[Plan]:
        """The saga that is to be started comes last."""
        inner = [self._plan(depth=1) for _ in range(self._random.randint(0, MAX_INNER))]
        return [*inner, self._plan(depth=3)]

    def given(self) -> dict[str, Any]:
        """An input."""
        flags = {flag: self._random.random() < 0.5 for flag in "ab"}
        return {"flags": flags, "list": list(range(self._random.randint(0, 4)))}

    def _plan(self, depth: int) -> Plan:
        plan = Plan(decode(encode(self._definition(depth))))
        name = plan.definition.name
        self._pivoting[name] = plan.has_pivot or any(self._pivoting[saga] for saga in plan.sagas)
        return plan

    def _definition(self, depth: int) -> Definition:
        flow = self._flow(depth, alone=True, loops=0)
        return flow.definition(on_failure="park" if self._random.random() < 0.3 else "compensate")

    def _flow(self, depth: int, *, alone: bool, loops: int) -> Flow:
        made = Flow(self._name("f"))
        for _ in range(self._random.randint(0, 4)):
            self._add(made, depth, alone=alone, loops=loops)
        return made

    def _add(self, flow: Flow, depth: int, *, alone: bool, loops: int) -> None:
        sagas = [saga for saga, pivoting in self._pivoting.items() if (alone or not pivoting) and loops < 2]
        kinds = ["step"] * 4 + ["wait"] + ["signal"] * (loops == 0) + ["inside"] * 2 * bool(sagas)
        kind = self._random.choice(kinds + ["parallel", "choice", "each"] * (depth > 0))
        name = self._name(kind[0])
        inside = {"depth": depth - 1, "loops": loops}
        if kind == "step":
            self._add_step(flow, name, alone=alone)
        elif kind == "wait":
            flow.wait(name, seconds=self._random.randint(1, 9))
        elif kind == "signal":
            flow.wait_signal(name, f"signal-{name}")
        elif kind == "inside":
            flow.saga(name, self._random.choice(sagas), "input")
        elif kind == "parallel":
            flow.parallel(name, *(self._flow(alone=False, **inside) for _ in range(self._random.randint(0, 3))))
        elif kind == "choice":
            flow.choice(name, *((f"input.flags.{flag}", self._flow(alone=alone, **inside)) for flag in "ab"))
        else:
            at_once = self._random.randint(1, 3)
            body = self._flow(depth - 1, alone=alone and at_once == 1, loops=loops + 1)
            flow.each(name, "input.list", body, at_once=at_once)

    def _add_step(self, flow: Flow, name: str, *, alone: bool) -> None:
        random = self._random
        flow.step(
            name,
            "s",
            retry=random.choice(RETRIES),
            timeout_seconds=random.choice((None, None, 30.0)),
            undo=undo("s", retry=random.choice(RETRIES)) if random.random() < 0.7 else None,
            pivot=alone and random.random() < 0.1,
        )

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
