"""Random sagas with others inside them, and what these tell one another."""

from __future__ import annotations

from random import Random
from typing import Any

from sagas.machine import Event, Failed, Undone
from tests.property.saga_maker import Maker
from tests.property.saga_pair import Pair, Parent


class World:
    """A saga with those inside it, and what they have yet to tell one another."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.maker = Maker(random)
        plans = self.maker.family()
        self._plans = {plan.definition.name: plan for plan in plans}
        self.now = 0.0
        self.trouble = random.choice((0.0, 0.1, 0.3))
        self._told: dict[str, list[Event]] = {}
        """By whom it is told; each is told in order."""
        self._pairs: dict[str, Pair] = {}
        self.start(plans[-1].definition.name, self.maker.given(), "root", None)

    @property
    def ended(self) -> bool:
        return all(pair.model.ended for pair in self._pairs.values()) and not self._told

    def start(self, saga: str, given: dict[str, Any], name: str, parent: Parent | None) -> None:
        assert name not in self._pairs, "each send of a saga inside another starts one of its own"
        self._pairs[name] = Pair(self, self._plans[saga], given, name, parent)
        self._pairs[name].begin()

    def tell(self, name: str, event: Event) -> None:
        self._told.setdefault(name, []).append(event)

    def step(self) -> None:
        """Let one thing happen."""
        pair = self.random.choice(
            [pair for pair in self._pairs.values() if not pair.model.ended] or [*self._pairs.values()]
        )
        choices = (
            [pair.answer] * 3 + [pair.time, pair.signal, pair.again, pair.store, pair.refused] + [self.deliver] * 2
        )
        if self.random.random() < 0.05:
            choices = [pair.cancel, pair.suspend, pair.help]
        self.random.choice(choices)()
        if pair.is_stuck:
            pair.help()
        self._compare()

    def finish(self) -> None:
        """Let all that can happen come to pass, without trouble."""
        self.trouble = 0.0
        for pair in list(self._pairs.values()):
            self.deliver()
            if not pair.answer():
                pair.time()
            pair.signal()
            if pair.is_stuck:
                pair.retry()
        self._compare()

    def deliver(self) -> None:
        """Somebody hears what he was told."""
        if self._told:
            name = self.random.choice(sorted(self._told))
            event = self._told[name].pop(0)
            if not self._told[name]:
                del self._told[name]
            if isinstance(event, Undone) and self.random.random() < self.trouble:  # as where it is no longer kept
                self.tell(event.parent, Failed(event.place, event.attempt, "gone", permanent=True))
            else:
                self._pairs[name].hear(event)

    def _compare(self) -> None:
        for pair in self._pairs.values():
            pair.compare()
