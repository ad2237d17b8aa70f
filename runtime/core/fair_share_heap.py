"""The runnable tenants of `runtime.core.fair_share` by start tag.

A tenant's place is a lower bound of its tag, brought up to date when it surfaces. A correction below it puts the tenant
in once more; the place it had is stale and skipped. So is that of a tenant that was taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic

from runtime.core.fair_share_tenant import E, TenantState

STALE_KEPT = 64
"""The heap is rebuilt when it holds twice as many places as there were tenants in it at the last time, and so many."""
NOWHERE = 0
"""`TenantState.order` of a tenant that has no place."""


class TagHeap(Generic[E]):
    """Every runnable tenant, once."""

    __slots__ = ("_limit", "_order", "_places")

    def __init__(self) -> None:
        self._places: list[tuple[float, int, TenantState[E]]] = []
        self._order = NOWHERE
        self._limit = STALE_KEPT

    def add(self, state: TenantState[E]) -> None:
        """Give a tenant a place by its present tag, instead of the one it may have."""
        places = self._places
        state.queued = tag = state.tag
        state.order = self._order = order = self._order + 1
        heappush(places, (tag, order, state))
        if len(places) > self._limit:
            self._rebuild()

    def front(self) -> TenantState[E] | None:
        """The tenant with the lowest tag, left at the top with its present tag."""
        places = self._places
        while places:
            _, order, state = places[0]
            tag = state.tag
            if order != state.order:
                heappop(places)
            elif state.queued == tag:
                return state
            else:
                state.queued = tag
                state.order = self._order = order = self._order + 1
                heapreplace(places, (tag, order, state))
        return None

    def pop(self) -> None:
        """Take out the tenant that `front` gave."""
        heappop(self._places)[2].order = NOWHERE

    def remove(self, state: TenantState[E]) -> None:
        """Take out any tenant."""
        state.order = NOWHERE

    def _rebuild(self) -> None:
        places = self._places
        places[:] = [place for place in places if place[1] == place[2].order]
        heapify(places)
        self._limit = 2 * len(places) + STALE_KEPT

    def states(self) -> Iterator[TenantState[E]]:
        """Every runnable tenant, in no order."""
        return (place[2] for place in self._places if place[1] == place[2].order)

    def validate(self) -> list[TenantState[E]]:
        """Raise `AssertionError` if the parts contradict each other; the tenants that have a place."""
        places = [place for place in self._places if place[1] == place[2].order]
        assert all(tag == state.queued <= state.tag for tag, _, state in places)
        states = [state for _, _, state in places]
        assert len(states) == len({state.name for state in states})
        return states
