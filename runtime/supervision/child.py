"""What a supervisor looks after."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from actors.spec import Supervision
from runtime.tree import TreeNode


class OnExit(Protocol):
    """How a child says that it has ended by itself; to be called from the event loop's thread.

    `explained`: a durable event's failure accounts for the exit, so it is not charged to the supervisor.
    Only the first call of a life counts. A child that takes a plain `Callable[[BaseException | None], None]` fits.
    """

    def __call__(self, reason: BaseException | None, /, *, explained: bool = False) -> None: ...


class Child(Protocol):
    """Anything with lives: it starts, may end by itself, can be stopped, and may be started again."""

    @property
    def name(self) -> str:
        """Unique among its siblings; never changes."""
        ...

    async def start(self, on_exit: OnExit, /) -> None:
        """Return when it runs. Where it raises or is cancelled, it leaves nothing running.

        `on_exit` is called at most once, when this life ends other than by `stop`: None for a normal end.
        """
        ...

    async def stop(self, shutdown_seconds: float, /) -> None:
        """End within the time if it can, be cancelled if not; safe twice and before `start`.

        A second call, while the first is being cancelled, comes with less time and must not wait for the first.
        """
        ...

    def node(self) -> TreeNode:
        """Its own picture; the supervisor adds what it knows of restarts."""
        ...


class ChildSpec(msgspec.Struct, frozen=True):
    """A child and how it is looked after. The intensity that counts is the supervisor's own."""

    child: Child
    supervision: Supervision = Supervision()


@runtime_checkable
class KeepsPlace(Protocol):
    """A child that keeps something between its lives, such as messages that wait for the next one."""

    def retire(self) -> None:
        """It is down and there is no next life, unless a request brings it back. Safe twice."""
        ...
