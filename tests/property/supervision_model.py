"""OTP's rules of supervision, told once more and as plainly as can be: a model to compare the machine with.

Written after the stdlib module `supervisor` and the chapter Supervisor Behaviour, not after this project's machine:
one thing happens at a time, lists stand for sets, recursion stands for messages. It knows two of the deliberate
differences: what a person took down stays down, and what a person added belongs to a supervisor's next life.
Durations of starts and stops move the model's own clock. `test_supervision_model` holds it against OTP itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.spec import AutoShutdown, Restart, Strategy

PERIOD_SECONDS = 5.0
START_SECONDS = 1.0
SHUTDOWN_SECONDS = 2.0


class RefusedError(Exception):
    """The request is in conflict with the state of things, or about nothing."""


@dataclass(eq=False)
class World:
    now: float = 0.0
    log: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Node:
    """Anything supervised. `above` is None for the root, and for a child that has left its supervisor's list."""

    name: str
    world: World
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    above: Sup | Crowd | None = None
    up: bool = False
    held: bool = False

    def start(self) -> bool:
        raise NotImplementedError

    def stop(self, deadline: float = math.inf) -> None:
        raise NotImplementedError

    def tree(self) -> Iterator[Node]:
        yield self


@dataclass(eq=False)
class Leaf(Node):
    failing_starts: int = 0
    start_takes: float = 0.0
    stop_takes: float = 0.0

    def start(self) -> bool:
        self.world.log.append(f"start {self.name}")
        self.world.now += min(self.start_takes, START_SECONDS)
        if self.start_takes > START_SECONDS:
            return False
        if self.failing_starts:
            self.failing_starts -= 1
            return False
        self.up = True
        return True

    def stop(self, deadline: float = math.inf) -> None:
        self.world.log.append(f"stop {self.name}")
        self.world.now += self.stop_duration(deadline)

    def stop_duration(self, deadline: float) -> float:
        self.up = False
        given = max(0.0, min(SHUTDOWN_SECONDS, deadline - self.world.now))
        return min(self.stop_takes, given)


@dataclass(eq=False)
class Sup(Node):
    strategy: Strategy = Strategy.ONE_FOR_ONE
    max_restarts: int = 1
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    specs: list[Node] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)

    def tree(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.tree()

    def start(self) -> bool:
        self.restarts.clear()
        for child in self.children:
            child.above = None
        self.children = list(self.specs)
        for child in self.children:
            child.above, child.held = self, False
        for child in self.children:
            if not child.start():
                self._stop_children(self.children, math.inf)
                return False
        self.up = True
        return True

    def stop(self, deadline: float = math.inf) -> None:
        self._stop_children(self.children, deadline)
        self.up = False

    def _stop_children(self, children: list[Node], deadline: float) -> None:
        for child in reversed(children):
            if child.up:
                child.stop(deadline)

    def exited(self, child: Node, *, normal: bool) -> None:
        child.up = False
        if child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and not normal):
            self._restart(child)
            return
        self._drop_if_temporary(child)
        others = any(each.significant and each.up for each in self.children)
        if child.significant and (self.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT or not others):
            self._end(normal=True)

    def _drop_if_temporary(self, child: Node) -> None:
        if child.restart is Restart.TEMPORARY:
            self.children.remove(child)
            child.above = None

    def _restart(self, child: Node) -> None:
        failed: Node | None = child
        while failed is not None:
            if too_many(self.restarts, self.world.now, self.max_restarts):
                self._end(normal=False)
                return
            failed = self._begin_again(self._sharing(failed))

    def _sharing(self, child: Node) -> list[Node]:
        if self.strategy is Strategy.ONE_FOR_ONE:
            return [child]
        if self.strategy is Strategy.ONE_FOR_ALL:
            return list(self.children)
        return self.children[self.children.index(child) :]

    def _begin_again(self, children: list[Node]) -> Node | None:
        """The one that could not start, if any."""
        self._stop_children(children, math.inf)
        for child in children:
            self._drop_if_temporary(child)
        for child in children:
            if child.above is self and not child.held and not child.start():
                return child
        return None

    def _end(self, *, normal: bool) -> None:
        self.stop()
        if self.above is not None:
            self.above.exited(self, normal=normal)

    # Requests

    def add(self, child: Node) -> bool:
        self._require(self.up)
        self._require(all(each.name != child.name for each in self.children))
        self.specs = [each for each in self.specs if each.name != child.name]
        if not child.start():
            return False
        child.above = self
        self.children.append(child)
        if child.restart is not Restart.TEMPORARY:
            self.specs.append(child)
        return True

    def terminate(self, child: Node) -> None:
        self._require(self.up)
        if child.up:
            child.stop()
        child.held = True
        self._drop_if_temporary(child)

    def start_again(self, child: Node) -> bool:
        self._require(self.up and not child.up)
        child.held = False
        return child.start()

    def delete(self, child: Node) -> None:
        self._require(self.up and not child.up)
        self.children.remove(child)
        self.specs = [each for each in self.specs if each is not child]
        child.above = None

    def _require(self, condition: bool) -> None:  # noqa: FBT001 # as assert
        if not condition:
            raise RefusedError


@dataclass(eq=False)
class Crowd(Node):
    """simple_one_for_one; its children are all of the same restart type."""

    max_restarts: int = 1
    template: Restart = Restart.PERMANENT
    children: list[Leaf] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)

    def tree(self) -> Iterator[Node]:
        yield self
        yield from self.children

    def start(self) -> bool:
        self.restarts.clear()
        self.up = True
        return True

    def stop(self, deadline: float = math.inf) -> None:
        durations = [0.0]
        for child in self.children:
            self.world.log.append(f"stop {child.name}")
            durations.append(child.stop_duration(deadline))
            child.above = None
        self.world.now += max(durations)
        self.children.clear()
        self.up = False

    def exited(self, child: Node, *, normal: bool) -> None:
        assert isinstance(child, Leaf)
        child.up = False
        comes_back = self.template is Restart.PERMANENT or (self.template is Restart.TRANSIENT and not normal)
        while comes_back and not too_many(self.restarts, self.world.now, self.max_restarts):
            if child.start():
                return
        self._forget(child)
        if comes_back:
            self.stop()
            assert self.above is not None
            self.above.exited(self, normal=False)

    def add(self, child: Leaf) -> bool:
        if not self.up:
            raise RefusedError
        if not child.start():
            return False
        child.above = self
        self.children.append(child)
        return True

    def terminate(self, child: Leaf) -> None:
        child.stop()
        self._forget(child)

    def _forget(self, child: Leaf) -> None:
        self.children.remove(child)
        child.above = None


def too_many(restarts: list[float], now: float, max_restarts: int) -> bool:
    restarts[:] = [at for at in (*restarts, now) if at >= now - PERIOD_SECONDS]
    return len(restarts) > max_restarts
