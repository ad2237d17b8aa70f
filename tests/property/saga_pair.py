"""One saga beside its model: the same things happen to both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sagas.definition import Step, WaitSignal
from sagas.errors import RefusedError
from sagas.machine import (
    Cancelled,
    Command,
    Done,
    Due,
    Event,
    Failed,
    Instance,
    Repaired,
    Resumed,
    Retried,
    Signalled,
    Skipped,
    StartChild,
    Suspended,
    Tell,
    Undone,
    Wake,
    begin,
    handle,
    validate,
)
from sagas.plan import Plan
from tests.property.saga_model import Model

if TYPE_CHECKING:
    from tests.property.saga_world import World

Parent = tuple[str, str, int]
"""Id, place and send of the saga around one."""


class Pair:
    """One saga and its model."""

    def __init__(self, world: World, plan: Plan, given: dict[str, Any], name: str, parent: Parent | None) -> None:
        self._world = world
        self._random = world.random
        self._plan = plan
        self._name = name
        self._parent = parent
        self._wakes: list[Wake] = []
        self._past: list[Event] = []
        self._inside: dict[str, str] = {}
        """The places of the sagas inside it."""
        self._called_off: set[str] = set()
        self.model = Model(plan.definition, given)
        self._given = given

    def begin(self) -> None:
        self.instance, commands = begin(
            self._plan,
            self._given,
            instance_id=self._name,
            version=1,
            tenant="t",
            by="x",
            now=self._world.now,
            parent=self._parent,
        )
        self._take(commands)

    @property
    def is_stuck(self) -> bool:
        """Whether only a person can help it on."""
        return bool(self.model.open) and all(one.state == "parked" for one in self.model.open.values())

    def answer(self) -> bool:
        """A service answers a step. Whether there was one to be answered."""
        place = self._chosen(lambda one: one.state == "sent" and isinstance(one.node, Step))
        if place is None:
            return False
        if self._random.random() < self._world.trouble:
            permanent = self._random.random() < 0.3
            attempt = self.model.open[place].attempt
            self.model.fail(place, permanent=permanent)
            self._happen(Failed(place, attempt, "broken", permanent))
        else:
            self.model.finish(place)
            self._happen(Done(place))
        return True

    def hear(self, event: Event) -> None:
        """What another saga tells."""
        model = self.model
        match event:
            case Done():
                model.finish(event.place, pivoted=event.pivoted)
            case Failed():
                model.fail(event.place, permanent=event.permanent)
            case Cancelled() if model.back is not None or model.pivoted or model.ended:
                self._is_refused(event)
                return
            case Cancelled():
                model.turn_back("cancelled")
            case Undone() if model.outcome == "completed" and not model.pivoted:
                model.undo_ended()
        self._happen(event)

    def time(self) -> None:
        """The next timer that counts."""
        counting = [wake for wake in self._wakes if self._counts(wake)]
        if not counting:
            return
        wake = min(counting, key=lambda each: each.due_at)
        self._wakes.remove(wake)
        self._world.now = max(self._world.now, wake.due_at)
        one = self.model.open[wake.place]
        if one.state == "sent":
            self.model.time_out(wake.place)
        elif one.state == "pausing":
            self.model.send_again(wake.place)
        else:
            self.model.finish(wake.place)
        self._happen(Due(wake.place, wake.timer))

    def signal(self) -> None:
        nodes = [each.node for each in self._plan.nodes if isinstance(each.node, WaitSignal)]
        waited = [node for node in nodes if node.name not in self.model.signalled]
        if waited and not self.model.ended:
            node = self._random.choice(waited)
            if self.model.back is None:
                self.model.signal(node.name)
            else:
                self.model.signalled.add(node.name)
            self._happen(Signalled(node.signal))

    def again(self) -> None:
        """What came once comes again, late."""
        late = [event for event in self._past if isinstance(event, Done | Failed | Due)]
        if late:
            event = self._random.choice(late)
            if event.place not in self.model.open:
                self._happen(event)

    def store(self) -> None:
        """The state is written and read again."""
        self.instance = msgspec.json.decode(msgspec.json.encode(self.instance), type=Instance)

    def cancel(self) -> None:
        if self.model.back is None and not self.model.pivoted and not self.model.ended:
            self.model.turn_back("cancelled")
            self._happen(Cancelled(by="ann"))

    def suspend(self) -> None:
        """One thing happens while it is suspended, and its input may be repaired."""
        if self.model.ended:
            return
        self._happen(Suspended(by="ann"))
        place = self._chosen(lambda one: one.state == "sent" and isinstance(one.node, Step))
        before = set(self.instance.activities)
        if place is not None:
            self._happen(Done(place))
        if self._random.random() < 0.5:
            self._repair()
        assert set(self.instance.activities) == before, "a suspended saga stands still"
        if place is not None:
            self.model.finish(place)
        self._happen(Resumed(by="ann"))

    def help(self) -> None:
        """A person sees to what is parked."""
        place = self._chosen(lambda one: one.state == "parked")
        if place is None:
            return
        if self._random.random() < 0.3:
            self._repair()
        if self._random.random() < 0.3:
            self.model.finish(place)
            self._happen(Skipped(by="ann", place=place))
        else:
            self.retry(place if self._random.random() < 0.5 else None)

    def retry(self, place: str | None = None) -> None:
        for each, one in self.model.open.items():
            if one.state == "parked" and place in {None, each}:
                self.model.send_again(each, by_hand=True)
        self._happen(Retried(by="ann", place=place))

    def refused(self) -> None:
        """A person asks for what makes no sense now."""
        parked = {place for place, one in self.model.open.items() if one.state == "parked"}
        asked: list[Event] = [Resumed(by="ann"), Skipped(by="ann", place="nowhere"), Retried(by="ann", place="nowhere")]
        asked += [Skipped(by="ann", place=place) for place in self.model.open if place not in parked]
        if not parked:
            asked += [Retried(by="ann"), Repaired(by="ann", data={"input": {}})]
        if self.model.ended:
            asked += [Suspended(by="ann"), Cancelled(by="ann")]
        self._is_refused(self._random.choice(asked))

    def compare(self) -> None:
        expected: dict[str, Any] = {
            place: (one.state, one.attempt if one.state != "waiting" else 1) for place, one in self.model.open.items()
        }
        found = {place: (one.state, one.attempt) for place, one in self.instance.activities.items()}
        assert found == expected
        assert self._called_off == self.model.called_off
        assert (self.instance.outcome if self.instance.ended else None) == self.model.outcome

    def _repair(self) -> None:
        self.model.given = self._world.maker.given()
        self._happen(Repaired(by="ann", data={"input": self.model.given}))

    def _is_refused(self, event: Event) -> None:
        before = msgspec.json.encode(self.instance)
        with pytest.raises(RefusedError):
            handle(self._plan, self.instance, event, self._world.now)
        assert msgspec.json.encode(self.instance) == before, "what is refused changes nothing"

    def _happen(self, event: Event) -> None:
        self._take(handle(self._plan, self.instance, event, self._world.now))
        self._past.append(event)

    def _take(self, commands: list[Command]) -> None:
        for place, activity in self.instance.activities.items():
            if activity.undo and place not in self.model.open:
                self.model.undo(place)
        validate(self._plan, self.instance)
        for command in commands:
            match command:
                case Wake():
                    self._wakes.append(command)
                case StartChild():
                    assert command.input == self.model.given
                    self._inside[command.child] = command.place
                    parent = self._name, command.place, command.attempt
                    self._world.start(command.saga, command.input, command.child, parent)
                case Tell():
                    self._tell(command)

    def _tell(self, command: Tell) -> None:
        match command.event:
            case Done(place=place) | Failed(place=place):
                assert self.model.ended, "a saga tells the one around it of its end"
                well = self.model.outcome == "completed" or place.endswith(":undo")
                assert isinstance(command.event, Done) == well
            case Cancelled():
                self._called_off.add(self._inside[command.instance])
        self._world.tell(command.instance, command.event)

    def _counts(self, wake: Wake) -> bool:
        activity = self.instance.activities.get(wake.place)
        return activity is not None and activity.timer == wake.timer

    def _chosen(self, wanted: Callable[[Any], bool]) -> str | None:
        places = sorted(place for place, one in self.model.open.items() if wanted(one))
        return self._random.choice(places) if places else None
