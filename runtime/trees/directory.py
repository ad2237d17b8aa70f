"""The trees of an app, and whatever stands in them, by path."""

from __future__ import annotations

from collections.abc import Iterator

from actors.errors import ActorStoppedError
from runtime.cells.cell import Cell
from runtime.errors import NotFoundError
from runtime.supervision.child import Child
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import Supervisor
from runtime.trees.actor_child import ActorChild

AnySupervisor = Supervisor | DynamicSupervisor[[str], ActorChild]


class Trees:
    """Paths are relative to the app, `pipeline/parser`, or begin with its name, as those of references do."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._roots: dict[str, Supervisor] = {}

    def add(self, root: Supervisor) -> None:
        self._roots[root.name] = root

    def __iter__(self) -> Iterator[Supervisor]:
        return iter(self._roots.values())

    def actor(self, path: str) -> ActorChild:
        """Raises NotFoundError."""
        found = self._find(path)
        if not isinstance(found, ActorChild):
            raise NotFoundError(f"there is no actor {path!r} in the trees of {self._app}")
        return found

    def supervisor(self, path: str) -> AnySupervisor:
        """Raises NotFoundError."""
        found = self._find(path)
        if not isinstance(found, Supervisor | DynamicSupervisor):
            raise NotFoundError(f"there is no supervisor {path!r} in the trees of {self._app}")
        return found

    def full_path(self, path: str) -> str:
        return f"{self._app}/{'/'.join(self._parts(path))}"

    def _find(self, path: str) -> Child | None:
        first, *rest = self._parts(path)
        found: Child | None = self._roots.get(first)
        for name in rest:
            found = found.child(name) if isinstance(found, Supervisor | DynamicSupervisor) else None
        return found

    def _parts(self, path: str) -> list[str]:
        first, *rest = path.split("/")
        return rest if rest and first == self._app and first not in self._roots else [first, *rest]


class TreeAddress:
    """The addressee of a reference to an actor in a tree: found anew for every message."""

    __slots__ = ("_trees", "path")

    def __init__(self, trees: Trees, path: str) -> None:
        self._trees = trees
        trees.actor(path)
        self.path = trees.full_path(path)

    def cell(self) -> Cell:
        try:
            return self._trees.actor(self.path).cell
        except NotFoundError:
            raise ActorStoppedError(f"{self.path} has been removed from its supervisor") from None
