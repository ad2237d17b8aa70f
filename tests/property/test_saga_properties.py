"""Random sagas with random failures against a model of what a saga should do.

`POSTROOM_CASES` sets how many cases are tried; a full run takes 10,000.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sagas.builder import Flow, undo
from sagas.definition import Definition, Retry, WaitSignal, decode, encode
from sagas.machine import (
    Cancelled,
    Command,
    Done,
    Due,
    Event,
    Failed,
    Instance,
    Resumed,
    Retried,
    Signalled,
    Suspended,
    Wake,
    begin,
    handle,
    validate,
)
from sagas.plan import Plan
from tests.property.cases import cases
from tests.property.saga_model import Model

RETRIES = (Retry(), Retry(attempts=2), Retry(attempts=3, initial_seconds=5.0))
MAX_STEPS = 500


class Maker:
    """Makes a definition at random. Names are numbered, so that each is its node's own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0

    def definition(self) -> Definition:
        flow = self.flow(3, alone=True, loops=0)
        return flow.definition(on_failure="park" if self._random.random() < 0.3 else "compensate")

    def flow(self, depth: int, *, alone: bool, loops: int) -> Flow:
        made = Flow(self._name("f"))
        for _ in range(self._random.randint(0, 4)):
            self._add(made, depth, alone=alone, loops=loops)
        return made

    def _add(self, flow: Flow, depth: int, *, alone: bool, loops: int) -> None:
        kinds = ["step"] * 4 + ["wait"] + ["signal"] * (loops == 0)
        kind = self._random.choice(kinds + ["parallel", "choice", "each"] * (depth > 0))
        name = self._name(kind[0])
        inside = {"depth": depth - 1, "loops": loops}
        if kind == "step":
            self._add_step(flow, name, alone=alone)
        elif kind == "wait":
            flow.wait(name, seconds=self._random.randint(1, 9))
        elif kind == "signal":
            flow.wait_signal(name, f"signal-{name}")
        elif kind == "parallel":
            flow.parallel(name, *(self.flow(alone=False, **inside) for _ in range(self._random.randint(0, 3))))
        elif kind == "choice":
            flow.choice(name, *((f"input.flags.{flag}", self.flow(alone=alone, **inside)) for flag in "ab"))
        else:
            at_once = self._random.randint(1, 3)
            body = self.flow(depth - 1, alone=alone and at_once == 1, loops=loops + 1)
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


class World:
    """Lets the same things happen to the machine and to the model, and compares them each time."""

    def __init__(self, random: Random) -> None:
        self.random = random
        definition = Maker(random).definition()
        self.plan = Plan(decode(encode(definition)))
        items = random.randint(0, 4)
        given = {"flags": {flag: random.random() < 0.5 for flag in "ab"}, "items": items, "list": list(range(items))}
        self.now = 0.0
        self.wakes: list[Wake] = []
        self.past: list[Event] = []
        self.trouble = random.choice((0.0, 0.1, 0.3))
        self.model = Model(definition, given)
        self.instance, commands = begin(self.plan, given, instance_id="i", version=1, tenant="t", by="x", now=self.now)
        self._take(commands)

    def step(self) -> None:
        """Let one thing happen."""
        choices = [self._answer, self._answer, self._answer, self._time, self._signal, self._again, self._store]
        if self.random.random() < 0.05:
            choices = [self._cancel, self._suspend]
        self.random.choice(choices)()
        if all(one.state == "parked" for one in self.model.open.values()) and not self.model.ended:
            self._retry()
        self._compare()

    def _happen(self, event: Event) -> None:
        self._take(handle(self.plan, self.instance, event, self.now))
        self.past.append(event)

    def _take(self, commands: list[Command]) -> None:
        self.wakes += [each for each in commands if isinstance(each, Wake)]
        for place, activity in self.instance.activities.items():
            if activity.undo and place not in self.model.open:
                self.model.undo(place)
        validate(self.plan, self.instance)

    def _answer(self) -> None:
        sent = [place for place, one in self.model.open.items() if one.state == "sent"]
        if not sent:
            return
        place = self.random.choice(sorted(sent))
        if self.random.random() < self.trouble:
            permanent = self.random.random() < 0.3
            attempt = self.model.open[place].attempt
            self.model.fail(place, permanent=permanent)
            self._happen(Failed(place, attempt, "broken", permanent))
        else:
            self.model.finish(place)
            self._happen(Done(place))

    def _time(self) -> None:
        """The next timer that counts."""
        counting = [wake for wake in self.wakes if self._counts(wake)]
        if not counting:
            return
        wake = min(counting, key=lambda each: each.due_at)
        self.wakes.remove(wake)
        self.now = max(self.now, wake.due_at)
        one = self.model.open[wake.place]
        if one.state == "sent":
            self.model.time_out(wake.place)
        elif one.state == "pausing":
            self.model.send_again(wake.place)
        else:
            self.model.finish(wake.place)
        self._happen(Due(wake.place, wake.timer))

    def _counts(self, wake: Wake) -> bool:
        activity = self.instance.activities.get(wake.place)
        return activity is not None and activity.timer == wake.timer

    def _signal(self) -> None:
        nodes = [each.node for each in self.plan.nodes if isinstance(each.node, WaitSignal)]
        waited = [node for node in nodes if node.name not in self.model.signalled]
        if waited and not self.model.ended:
            node = self.random.choice(waited)
            if self.model.back is None:
                self.model.signal(node.name)
            else:
                self.model.signalled.add(node.name)
            self._happen(Signalled(node.signal))

    def _again(self) -> None:
        """What came once comes again, late."""
        late = [event for event in self.past if isinstance(event, Done | Failed | Due)]
        if late:
            event = self.random.choice(late)
            if event.place not in self.model.open:
                self._happen(event)

    def _store(self) -> None:
        """The state is written and read again."""
        self.instance = msgspec.json.decode(msgspec.json.encode(self.instance), type=Instance)

    def _cancel(self) -> None:
        if self.model.back is None and not self.model.pivoted and not self.model.ended:
            self.model.turn_back("cancelled")
            self._happen(Cancelled(by="ann"))

    def _suspend(self) -> None:
        """One thing happens while it is suspended."""
        if self.model.ended:
            return
        self._take(handle(self.plan, self.instance, Suspended(by="ann"), self.now))
        sent = [place for place, one in self.model.open.items() if one.state == "sent"]
        if sent:
            place = self.random.choice(sorted(sent))
            before = set(self.instance.activities)
            self._take(handle(self.plan, self.instance, Done(place), self.now))
            assert set(self.instance.activities) == before, "a suspended saga stands still"
            self.model.finish(place)
        self._take(handle(self.plan, self.instance, Resumed(by="ann"), self.now))

    def _retry(self) -> None:
        if not self.model.open:
            return
        for place in self.model.open:
            self.model.send_again(place, by_hand=True)
        self._happen(Retried(by="ann"))

    def _compare(self) -> None:
        expected: dict[str, Any] = {
            place: (one.state, one.attempt if one.state != "waiting" else 1) for place, one in self.model.open.items()
        }
        found = {place: (one.state, one.attempt) for place, one in self.instance.activities.items()}
        assert found == expected
        assert (self.instance.outcome if self.instance.ended else None) == self.model.outcome


@settings(max_examples=cases(300), deadline=None)
@given(st.integers(min_value=0, max_value=2**64))
def test_a_saga_does_what_the_model_says_and_comes_to_an_end(seed: int) -> None:
    world = World(Random(seed))
    world._compare()
    for _ in range(MAX_STEPS):
        if world.model.ended:
            break
        world.step()
    world.trouble = 0.0
    for _ in range(MAX_STEPS):
        if world.model.ended:
            break
        world._answer()
        world._time()
        world._signal()
        world._compare()
        if all(one.state == "parked" for one in world.model.open.values()):
            world._retry()
    assert world.model.ended, "nothing is stuck"
    assert world.instance.status in {"completed", "compensated", "cancelled"}
