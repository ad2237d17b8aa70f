"""Whether a job may run again once it has ended: the service that it tells of its end can refuse that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from runtime.definition import Rerun, RerunGuard
from runtime.durable.headers import headers_of
from runtime.errors import ConflictError
from runtime.store.port import Store
from runtime.store.records import Event, StoredState

MAX_STATES = 100
"""How many states one statement reads at most."""

Actor = tuple[str, str, str]
"""Service, tenant and key."""


class Reruns:
    """Asks the guards of finalizers. `guard_of` gives the one of a service, None for none."""

    def __init__(self, store: Store, guard_of: Callable[[str], RerunGuard | None]) -> None:
        self._store = store
        self._guard_of = guard_of

    async def refusals(self, events: Sequence[Event], completed: Collection[UUID] = ()) -> dict[UUID, str]:
        """Why some of these events must not run again, by their ids. `completed` names those that did not fail."""
        guarded = [
            (event, finalizer, guard)
            for event in events
            if (finalizer := headers_of(event).finalizer) is not None and (guard := self._guard_of(finalizer.service))
        ]
        actors = {(finalizer.service, event.tenant, finalizer.key or "") for event, finalizer, _ in guarded}
        states = await self._states(sorted(actors))
        found: dict[UUID, str] = {}
        for event, finalizer, guard in guarded:
            state = states.get((finalizer.service, event.tenant, finalizer.key or ""))
            refusal = guard(Rerun(event, finalizer, state, completed=event.id in completed))
            if refusal is not None:
                found[event.id] = refusal
        return found

    async def _states(self, actors: Sequence[Actor]) -> dict[Actor, StoredState]:
        found: dict[Actor, StoredState] = {}
        for service in {actor[0] for actor in actors}:
            wanted = [actor[1:] for actor in actors if actor[0] == service]
            for first in range(0, len(wanted), MAX_STATES):
                for state in await self._store.states(service, wanted[first : first + MAX_STATES]):
                    found[service, state.tenant, state.key] = state
        return found


def require_rerun(event: Event, refusals: Mapping[UUID, str]) -> None:
    """Raises ConflictError with the reason where an event is among those refused."""
    refusal = refusals.get(event.id)
    if refusal is not None:
        raise ConflictError(refusal)
