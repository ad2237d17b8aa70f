"""Takes shards into service that have become this process's own."""

from __future__ import annotations

from runtime.core.policy import Scope
from runtime.core.policy_book import PolicyBook
from runtime.definition import ServiceDefinition
from runtime.durable.journal import MAX_UNRECORDED
from runtime.machinery import Machinery
from runtime.store.membership import Taken
from runtime.store.policies import MAX_HISTORY


class Grants:
    """What has to happen before the first event of a shard is started here."""

    def __init__(self, machinery: Machinery, book: PolicyBook, window: int) -> None:
        self._machinery = machinery
        self._book = book
        self._window = window

    async def take(self, taken: Taken) -> None:
        """To be awaited under the lock of those who append.

        Raises:
            StoreUnavailableError: to be called again.
        """
        machinery = self._machinery
        services = machinery.services
        for service in services.values():  # messages in memory may have called actors to life while they were foreign
            await service.evict(taken.shards)
        queues = await machinery.store.queues()
        if taken.unclean:
            starts = await machinery.store.start_marks()
            machinery.suspects.begin(taken.unclean, starts, queues, services.keys(), await self._in_flight())
        await machinery.backlog.grant(taken.shards, queues)

    async def _in_flight(self) -> int:
        """How far behind the first entry without outcome one of the same queue can have been running at a crash.

        Handled events whose outcome was not on disk, those running, and those that a busy key let overtake it: twice
        the window, as the order of the keys is another after the crash.
        """
        running = [await self._most_running(service.definition) for service in self._machinery.services.values()]
        return MAX_UNRECORDED + max(running, default=0) + 2 * self._window

    async def _most_running(self, service: ServiceDefinition) -> int:
        """What one service can have had running, also before its slots were lowered."""
        scope = Scope(service.name)
        versions = await self._machinery.store.policies.history(scope, MAX_HISTORY)
        policies = [self._book.at(scope), *(version.policy for version in versions)]
        return max(service.slots, *(policy.slots or 0 for policy in policies)) * service.chunk_size
