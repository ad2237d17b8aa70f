"""A supervisor's children in start order, and which of them is next to be stopped or started."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from actors.children import Exit
from actors.errors import SpecError
from actors.spec import Strategy, Supervision
from runtime.core.supervision_child import EXITS_KEPT, ChildRecord, ChildState


class Roster:
    """Keeps the order. Each decision costs O(log n), so that a supervisor may have thousands of children."""

    def __init__(self, supervisor: str, specs: Iterable[tuple[str, Supervision]]) -> None:
        self.children: dict[str, ChildRecord] = {}
        self.departed: deque[tuple[str, Exit]] = deque(maxlen=EXITS_KEPT)
        self._specs: dict[str, Supervision] = {}
        self._positions = 0
        self._stops: list[tuple[int, str]] = []
        self._starts: list[tuple[int, str]] = []
        for name, supervision in specs:
            if name in self._specs:
                raise SpecError("children", f"two children of {supervisor!r} are named {name!r}; rename one")
            self._specs[name] = supervision
            self.add(name, supervision)

    def add(self, name: str, supervision: Supervision) -> ChildRecord:
        self._positions += 1
        child = self.children[name] = ChildRecord(name, supervision, self._positions)
        return child

    def replace(self, name: str, supervision: Supervision) -> ChildRecord:
        """Add a child by request; a temporary one of that name that has ended is not part of the next life now."""
        self._specs.pop(name, None)
        return self.add(name, supervision)

    def keep(self, child: ChildRecord) -> None:
        """Make the child part of the supervisor's next life as well; a temporary one that was added is not."""
        if not child.temporary:
            self._specs.setdefault(child.name, child.supervision)

    def remove(self, child: ChildRecord, *, for_good: bool) -> bool:
        """Take the child off the list, `for_good` or for this life; whether it does not come back in the next."""
        del self.children[child.name]
        self.departed.extend((child.name, ended) for ended in child.exits)
        if for_good:
            self._specs.pop(child.name, None)
        return child.name not in self._specs

    def begin_life(self) -> list[str]:
        """List the children of a new life, with the history that is known of them; returns who is not among them."""
        known, self.children = self.children, {}
        for name, supervision in self._specs.items():
            child = self.add(name, supervision)
            if name in known:
                child.take_over(known[name])
            self.want(child)
        return [name for name in known if name not in self._specs]

    def want(self, child: ChildRecord) -> None:
        """Start the child as soon as it is down."""
        child.wanted = True
        if not child.up:
            heapq.heappush(self._starts, (child.position, child.name))

    def doom(self, child: ChildRecord) -> None:
        """End the child's present life as soon as it runs."""
        child.doomed = True
        if child.state is ChildState.RUNNING:
            heapq.heappush(self._stops, (-child.position, child.name))

    def next_stop(self) -> ChildRecord | None:
        """The last in start order of those that are to end."""
        while self._stops:
            child = self.children.get(heapq.heappop(self._stops)[1])
            if child is not None and child.doomed and child.state is ChildState.RUNNING:
                return child
        return None

    def next_start(self) -> ChildRecord | None:
        """The first in start order of those that are wanted."""
        while self._starts:
            child = self.children.get(heapq.heappop(self._starts)[1])
            if child is not None and child.wanted and not child.up:
                return child
        return None

    def sharing_fate(self, child: ChildRecord, strategy: Strategy) -> Iterator[ChildRecord]:
        """The child and the siblings that are restarted with it, in start order."""
        if strategy is Strategy.ONE_FOR_ONE:
            yield child
            return
        for member in self.children.values():
            if strategy is Strategy.ONE_FOR_ALL or member.position >= child.position:
                yield member

    def validate(self) -> None:
        positions = [child.position for child in self.children.values()]
        assert positions == sorted(set(positions)), "the children are not in start order"
        assert all(name == child.name for name, child in self.children.items())
        for child in self.children.values():
            if child.doomed and child.state is ChildState.RUNNING:
                assert (-child.position, child.name) in self._stops, f"{child.name!r} would never be stopped"
            if child.wanted and not child.up:
                assert (child.position, child.name) in self._starts, f"{child.name!r} would never be started"
