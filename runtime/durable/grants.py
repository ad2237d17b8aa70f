"""Takes shards into service that have become this process's own."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.definition import ServiceDefinition
from runtime.durable.journal import MAX_UNRECORDED
from runtime.machinery import Machinery
from runtime.store.membership import Taken


class Grants:
    """What has to happen before the first event of a shard is started here."""

    def __init__(self, machinery: Machinery, window: int) -> None:
        self._machinery = machinery
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
            count = in_flight((service.definition for service in services.values()), self._window)
            machinery.suspects.begin(taken.unclean, starts, queues, services.keys(), count)
        await machinery.backlog.grant(taken.shards, queues)


def in_flight(services: Iterable[ServiceDefinition], window: int) -> int:
    """How far behind the first entry without outcome one of the same queue can have been running at a crash.

    Handled events whose outcome was not on disk, those running, and those that a busy key let overtake it: twice the
    window, as the order of the keys is another after the crash.
    """
    running = max((service.slots * service.chunk_size for service in services), default=0)
    return MAX_UNRECORDED + running + 2 * window
