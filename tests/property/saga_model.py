"""What a saga should do, told another way than the machine tells it: from what has happened, and nothing else.

Where a saga stands on its way forward is worked out anew each time, by walking the definition over the set of places
that are done. The machine keeps frames and counts instead.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sagas.definition import (
    Choice,
    Definition,
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

Progress = tuple[bool, list[str]]
"""Whether a node is done, and the places at work in it."""


class Open(msgspec.Struct):
    """A place at work."""

    node: Any
    state: Literal["sent", "waiting", "pausing", "parked"]
    attempt: int = 1
    base: int = 0
    unsure: bool = False


class Model:
    """Takes in what happens, and tells what should be sent, waited for, undone and said."""

    def __init__(self, definition: Definition, given: dict[str, Any]) -> None:
        self._definition = definition
        self.given = given
        self._taken: dict[str, Node | None] = {}
        """The ways that choices took when they were reached."""
        self._items: dict[str, int] = {}
        """How many rounds loops had when they were reached."""
        self._sends: dict[str, int] = {}
        """By which send places were done."""
        self.done: set[str] = set()
        self.signalled: set[str] = set()
        self.open: dict[str, Open] = {}
        self.called_off: set[str] = set()
        """Where a saga inside was cancelled, as this one turned back."""
        self.nodes: dict[str, Node] = {}
        self.stack: list[set[str]] = []
        """What is to be undone, the last first; the order within a set is not told."""
        self.back: Literal["compensated", "cancelled"] | None = None
        self.pivoted = False
        self.ended = False
        self.follow()

    @property
    def outcome(self) -> str | None:
        return (self.back or "completed") if self.ended else None

    def follow(self) -> None:
        """Open what has come within reach."""
        if self.back is not None:
            self._follow_back()
            return
        complete, active = self._walk(self._definition.root, "")
        for place in active:
            if place not in self.open:
                node = self.nodes[place]
                self.open[place] = Open(node, "sent" if isinstance(node, Step | SubSaga) else "waiting")
        self.ended = complete

    def finish(self, place: str, *, pivoted: bool = False) -> None:
        """A place was done; `pivoted` tells of a saga inside."""
        one = self.open.pop(place)
        if not place.endswith(":undo"):
            self._finish_forward(place, one, pivoted=pivoted)
        self.follow()

    def fail(self, place: str, *, permanent: bool) -> None:
        """A send came to nothing."""
        one = self.open[place]
        undo = place.endswith(":undo")
        retry = _retry_of(one.node, undo=undo)
        if self.back is not None and not undo:
            self._drop([place])
        elif not permanent and one.attempt - one.base < retry.attempts:
            one.state = "pausing"
        elif undo or self.pivoted or self._definition.on_failure == "park":
            one.state = "parked"
        else:
            if one.unsure:
                self._may_have_been_done({place})
            del self.open[place]
            self.turn_back("compensated")
        self.follow()

    def time_out(self, place: str) -> None:
        """A send was not answered in time."""
        self.open[place].unsure = True
        self.fail(place, permanent=False)

    def send_again(self, place: str, *, by_hand: bool = False) -> None:
        one = self.open[place]
        one.state = "sent"
        if isinstance(one.node, SubSaga) and place.endswith(":undo"):
            return  # it is the same saga that is to be undone
        one.base = one.attempt if by_hand else one.base
        one.attempt += 1

    def signal(self, place: str) -> None:
        """The signal of a waiting node came, be it early."""
        self.signalled.add(place)
        if place in self.open:
            self.done.add(place)
            del self.open[place]
        self.follow()

    def turn_back(self, outcome: Literal["compensated", "cancelled"]) -> None:
        self.back = outcome
        self.called_off |= {
            place for place, one in self.open.items() if one.state == "sent" and isinstance(one.node, SubSaga)
        }
        self._drop([place for place, one in self.open.items() if one.state != "sent"])
        self.follow()

    def undo_ended(self) -> None:
        """The saga around this one, which was completed, is undone."""
        self.back, self.ended = "compensated", False
        self.follow()

    def _finish_forward(self, place: str, one: Open, *, pivoted: bool) -> None:
        self.done.add(place)
        self._sends[place] = one.attempt
        if _is_undoable(one.node):
            self.stack.append({place})
        if pivoted or getattr(one.node, "pivot", False):
            self.pivoted = True
            self.back = None

    def _drop(self, places: list[str]) -> None:
        self._may_have_been_done({place for place in places if self.open[place].unsure})
        for place in places:
            del self.open[place]

    def _may_have_been_done(self, places: set[str]) -> None:
        if places := {place for place in places if _is_undoable(self.open[place].node)}:
            self.stack.append(places)

    def _follow_back(self) -> None:
        if self.open:
            return
        if not self.stack:
            self.ended = True

    def undo(self, place: str) -> None:
        """The machine undoes a place: check that its turn has come."""
        assert self.back is not None, f"{place} is undone on the way forward"
        assert not self.open, f"{place} is undone while {list(self.open)} run"
        target = place.removesuffix(":undo")
        assert target in self.stack[-1], f"{target} is undone before {self.stack[-1]}"
        self.stack[-1].discard(target)
        if not self.stack[-1]:
            self.stack.pop()
        node = self.nodes[target]
        self.open[place] = Open(node, "sent", attempt=self._sends[target] if isinstance(node, SubSaga) else 1)

    def _walk(self, node: Node, rounds: str) -> Progress:
        place = f"{node.name}{rounds}"
        self.nodes[place] = node
        match node:
            case Sequence():
                return self._walk_sequence(node, rounds)
            case Parallel():
                parts = [self._walk(branch, rounds) for branch in node.branches]
                return all(done for done, _ in parts), [each for _, active in parts for each in active]
            case Choice():
                if place not in self._taken:
                    self._taken[place] = self._way(node)
                way = self._taken[place]
                return (True, []) if way is None else self._walk(way, rounds)
            case Loop():
                return self._walk_loop(node, place, rounds)
            case WaitSignal() if place in self.signalled:
                self.done.add(place)
            case WaitTime() | Step() | SubSaga():
                pass
        return (True, []) if place in self.done else (False, [place])

    def _walk_sequence(self, node: Sequence, rounds: str) -> Progress:
        for each in node.nodes:
            done, active = self._walk(each, rounds)
            if not done:
                return False, active
        return True, []

    def _way(self, node: Choice) -> Node | None:
        for case in node.cases:
            if self.given["flags"][case.when.removeprefix("input.flags.")]:
                return case.then
        return node.otherwise

    def _walk_loop(self, node: Loop, place: str, rounds: str) -> Progress:
        """The first rounds that are not done are those at work."""
        running: list[list[str]] = []
        for number in range(self._items.setdefault(place, len(self.given["list"]))):
            done, active = self._walk(node.body, f"{rounds}[{number}]")
            if not done:
                running.append(active)
            if len(running) == node.at_once:
                break
        return not running, [place for active in running for place in active]


def _is_undoable(node: Node) -> bool:
    return isinstance(node, SubSaga) or (isinstance(node, Step) and node.compensation is not None)


def _retry_of(node: Node, *, undo: bool) -> Retry:
    if not isinstance(node, Step):
        return Retry()
    return node.compensation.retry if undo and node.compensation else node.retry
