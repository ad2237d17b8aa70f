"""The place of a keyed service's actor: of one kind with those of all its other keys."""

from __future__ import annotations

from runtime.cells.cell import Cell
from runtime.cells.kind import CellKind


class KeyedCell(Cell):
    """An actor's place, which knows its own tenant and key."""

    __slots__ = ("key", "tenant")
    tenant: str
    key: str

    def __init__(self, kind: CellKind, tenant: str, key: str) -> None:
        self.settle(kind, f"{tenant}:{key}")
        self.tenant = tenant
        self.key = key
