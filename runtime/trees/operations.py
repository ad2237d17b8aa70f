"""What people may do with the trees of a running app. Knows no HTTP and no terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from actors.children import ChildCounts, ChildInfo
from actors.context import Clock
from actors.supervisor_ref import SupervisorRef
from runtime.core.supervision_errors import describe
from runtime.errors import ConflictError, InvalidInputError, NotFoundError, RuntimeFaultError
from runtime.store.audit import AuditEntry, AuditStore

MAX_CHILDREN = 500


class SupervisorInfo(msgspec.Struct, frozen=True):
    """A supervisor with its first children in start order; `counts` says how many there are."""

    path: str
    counts: ChildCounts
    children: tuple[ChildInfo, ...]


async def _restart(above: SupervisorRef, name: str) -> None:
    try:
        await above.restart_child(name)
    except RuntimeFaultError:
        raise
    except Exception as error:
        raise ConflictError(f"{above.path}/{name} could not start: {describe(error)}") from error


class TreeOperations:
    """Paths are relative to the app, such as `pipeline/parser`. What is done is noted in the audit."""

    def __init__(self, supervisor_at: Callable[[str], SupervisorRef], audit: AuditStore, clock: Clock) -> None:
        self._supervisor_at = supervisor_at
        self._audit = audit
        self._clock = clock

    def supervisor(self, path: str, limit: int) -> SupervisorInfo:
        """Raises NotFoundError, and InvalidInputError for a `limit` outside 1 to MAX_CHILDREN."""
        if not 1 <= limit <= MAX_CHILDREN:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_CHILDREN}, not {limit}")
        found = self._supervisor_at(path)
        return SupervisorInfo(found.path, found.count_children(), found.which_children()[:limit])

    async def restart(self, path: str, *, by: str) -> None:
        """Start a child that is down. Raises NotFoundError, and ConflictError, also where it cannot start."""
        await self._do("restart_child", path, by, _restart)

    async def terminate(self, path: str, *, by: str) -> None:
        """Stop a child within its shutdown time. Raises NotFoundError, ConflictError."""
        await self._do("terminate_child", path, by, lambda above, name: above.terminate_child(name))

    async def delete(self, path: str, *, by: str) -> None:
        """Forget a child that is down. Raises NotFoundError, ConflictError."""
        await self._do("delete_child", path, by, lambda above, name: above.delete_child(name))

    async def _do(self, action: str, path: str, by: str, act: Callable[[SupervisorRef, str], Awaitable[None]]) -> None:
        above, _, name = path.rpartition("/")
        if not above:
            raise NotFoundError(
                f"{path!r} names no child of a tree; its path has at least two parts, as pipeline/parser"
            )
        supervisor = self._supervisor_at(above)
        await act(supervisor, name)
        noted = AuditEntry(action=action, by=by, at=self._clock.now(), target=f"{supervisor.path}/{name}")
        await self._audit.note([noted])
