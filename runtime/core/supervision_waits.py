"""Restart delays, and who waits for which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runtime.core.supervision_child import ChildRecord


class _Wait:
    __slots__ = ("due_at", "members")

    def __init__(self) -> None:
        self.due_at = 0.0
        self.members: set[str] = set()


class Waits:
    """One delay for each child whose restart is pending; siblings that share its fate wait for the same one."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}

    def due_at(self, name: str) -> float:
        return self._waits[name].due_at

    def join(self, name: str, members: Iterable[ChildRecord], due_at: float) -> list[str]:
        """Let `members` wait for `name` until `due_at`, or longer; returns the names of delays nobody waits for now.

        A delay that this one absorbs does not end before its own time: its child had failed more often. One of the
        same name may still have members from before `name` was deleted and added again, so it is kept.
        """
        abandoned = []
        wait = self._waits.setdefault(name, _Wait())
        wait.due_at = max(wait.due_at, due_at)
        for member in members:
            if member.waits_for not in {None, name}:
                wait.due_at = max(wait.due_at, self._waits[member.waits_for].due_at)
                abandoned.extend(self.leave(member))
            member.waits_for = name
            wait.members.add(member.name)
        return abandoned

    def leave(self, child: ChildRecord) -> list[str]:
        """Take a child out of its delay; returns the delay's name if nobody waits for it now."""
        if (name := child.waits_for) is None:
            return []
        child.waits_for = None
        members = self._waits[name].members
        members.discard(child.name)
        if members:
            return []
        del self._waits[name]
        return [name]

    def end(self, name: str, children: Mapping[str, ChildRecord]) -> list[ChildRecord]:
        """The delay is over: those who waited, free to start."""
        wait = self._waits.pop(name, None)
        if wait is None:
            return []
        members = [children[member] for member in wait.members]
        for member in members:
            member.waits_for = None
        return members

    def clear(self, children: Mapping[str, ChildRecord]) -> list[str]:
        """End all delays without a start; returns their names."""
        names = list(self._waits)
        for name in names:
            self.end(name, children)
        return names

    def validate(self, children: Mapping[str, ChildRecord]) -> None:
        for name, wait in self._waits.items():
            assert wait.members, f"nobody waits for {name!r}"
            assert all(children[member].waits_for == name for member in wait.members)
        for child in children.values():
            if child.waits_for is not None:
                assert child.name in self._waits[child.waits_for].members
                assert not child.wanted, f"{child.name!r} waits and is to start at once"
                assert not child.held, f"{child.name!r} waits although a person took it down"
                assert child.unborn or not child.temporary, f"{child.name!r} is temporary and waits for a restart"

    def __len__(self) -> int:
        return len(self._waits)
