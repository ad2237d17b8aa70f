"""For which tenants a process asks for more than its parts of their caps, where there are too many to ask for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice

from runtime.core.division import TURN_SECONDS


class Asking:
    """At most so many tenants at once. Where more are short, each of them is asked for during `TURN_SECONDS`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._since: dict[str, float] = {}
        """When their turns began, the first one first."""
        self._resting: set[str] = set()

    def is_resting(self, tenant: str) -> bool:
        """Whether it has had its turn, and gives way to others: no more than its part by shards is wanted for it."""
        return tenant in self._resting

    def choose(
        self, short: Iterable[str], is_short: Callable[[str], bool], divided: Collection[str], now: float
    ) -> Collection[str]:
        """For whom to ask now.

        `short` are tenants that could use more, those first that were looked at longest ago. It is read no further than
        needed. `is_short` says the same of one. Of those in `divided` this process has another part than that by its
        shards. `now` is monotonic, in seconds.
        """
        self._since = {tenant: at for tenant, at in self._since.items() if is_short(tenant)}
        room = self._most - len(self._since)
        ended = [tenant for tenant, at in self._since.items() if now - at >= TURN_SECONDS]
        others = (tenant for tenant in short if tenant not in self._since)
        following = dict.fromkeys(islice(others, room + len(ended)), now)
        for tenant in ended[: max(0, len(following) - room)]:
            del self._since[tenant]
            self._resting.add(tenant)
        self._since |= following
        self._resting = self._resting.intersection(divided).difference(self._since)
        return self._since.keys()
