"""Where an actor lives that begins now: its key is made up for it, and the key's shard decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from runtime.durable.service import Service

MAX_DRAWS = 8
"""So many ids are made for a key of this process, which has every second of two, every fourth of four."""


class Placement:
    """Makes keys that belong to this process, where its own work is cheapest, unless others have less to do."""

    def __init__(
        self, services: Mapping[str, Service], new_id: Callable[[], UUID], keeps_new_work: Callable[[], bool]
    ) -> None:
        self._services = services
        self._new_id = new_id
        self._keeps_new_work = keeps_new_work

    def new_key(self, service: str, tenant: str) -> tuple[UUID, str]:
        """A new id, and its text, which is to be the key of a new actor of a service."""
        owns = self._services[service].owns
        for _ in range(MAX_DRAWS if self._keeps_new_work() else 1):
            made = self._new_id()
            key = str(made)
            if owns(tenant, key):
                break
        return made, key
