"""The JSON that HTTP and the command line show of supervisors."""

from __future__ import annotations

import msgspec

from actors.children import ChildCounts
from actors.spec import Restart
from runtime.trees.operations import SupervisorInfo
from runtime.views import ExitJson


class ChildJson(msgspec.Struct, frozen=True, kw_only=True):
    """A child as its supervisor sees it; see `actors.ChildInfo`. `exits` are the last ends of its lives."""

    name: str
    state: str
    restart: Restart
    significant: bool
    restarts: int
    exits: tuple[ExitJson, ...]


class SupervisorJson(msgspec.Struct, frozen=True):
    """A supervisor with its first children in start order; `counts` says how many there are."""

    path: str
    counts: ChildCounts
    children: list[ChildJson]


class ChildDoneJson(msgspec.Struct, frozen=True):
    """What was asked has been done."""

    path: str


def supervisor_json(info: SupervisorInfo) -> SupervisorJson:
    children = [
        ChildJson(
            name=child.name,
            state=child.state,
            restart=child.supervision.restart,
            significant=child.supervision.significant,
            restarts=child.restarts,
            exits=msgspec.convert(tuple(child.exits), tuple[ExitJson, ...], from_attributes=True, strict=False),
        )
        for child in info.children
    ]
    return SupervisorJson(info.path, info.counts, children)
