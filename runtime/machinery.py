"""The parts of the runtime that every service uses, put together by the composition root."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from actors.actor import Actor
from actors.context import Clock
from actors.mailbox import Bounded
from actors.ref import Ref
from actors.spec import Supervision
from actors.supervisor_ref import SupervisorRef
from runtime.cells.children import spawn_child
from runtime.cells.place import DEFAULT_SUPERVISION
from runtime.cells.refs import LocalRef
from runtime.cells.run_queue import RunQueue
from runtime.core.caps import Caps
from runtime.core.profile import SchedulingProfile
from runtime.durable.aborts import Skips
from runtime.durable.admission import Admission
from runtime.durable.backlog import Backlog
from runtime.durable.callouts import CalloutLimits
from runtime.durable.delays import Delays
from runtime.durable.emissions import Emissions
from runtime.durable.gate import Gate
from runtime.durable.journal import RETRY_SECONDS, Journal
from runtime.durable.reruns import Reruns
from runtime.durable.settling import settled
from runtime.durable.suspects import Suspects
from runtime.errors import StoreUnavailableError, UnknownServiceError
from runtime.store.port import Store, UnitOfWork
from runtime.store.records import Batch
from runtime.trees.directory import TreeAddress, Trees
from runtime.trees.supervisor_ref import TreeSupervisorRef

if TYPE_CHECKING:
    from runtime.cells.cell import Cell
    from runtime.durable.service import Service


class Machinery(msgspec.Struct, kw_only=True):
    """Store, journal, backlog and the rest, and what they do together."""

    store: Store
    journal: Journal
    backlog: Backlog
    gate: Gate
    profile: SchedulingProfile
    caps: Caps
    delays: Delays
    admission: Admission
    emissions: Emissions
    appending: asyncio.Lock
    """Held from the moment a commit takes places in the log until its entries are admitted, so that they are
    admitted in log order."""
    reruns: Reruns
    suspects: Suspects
    skips: Skips
    clock: Clock
    random: random.Random
    run_queue: RunQueue
    trees: Trees
    callouts: CalloutLimits
    services: dict[str, Service] = {}

    def lookup(self, service: str, tenant: str | None, key: str | None) -> Ref:
        """Raises UnknownServiceError; of a path, NotFoundError."""
        if "/" in service:
            return LocalRef(TreeAddress(self.trees, service))
        found = self.services.get(service)
        if found is None:
            raise UnknownServiceError(f"no service is named {service!r}")
        return LocalRef(ServiceAddress(found, tenant, key))

    def supervisor_at(self, path: str) -> SupervisorRef:
        """Raises NotFoundError."""
        return TreeSupervisorRef(self, path)

    def spawn(
        self,
        parent: Cell,
        actor: type[Actor],
        name: str,
        supervision: Supervision | None,
        mailbox: Bounded | None = None,
    ) -> Coroutine[Any, Any, Ref]:
        return spawn_child(self, parent, actor, name, supervision or DEFAULT_SUPERVISION, mailbox)

    async def commit(self, unit: UnitOfWork, batch: Batch) -> None:
        """Commit a unit of work and hand over the events it emitted. Raises as `UnitOfWork.commit`."""
        if batch.events:
            async with self.appending:
                await self.backlog.admit(await settled(self.store, batch, unit.commit(batch)))
        else:
            await unit.commit(batch)
        self.delays.expect(batch.delayed)

    async def resolve(self, batch: Batch) -> bool:
        """Whether a batch was committed after all; if so, hand over its events."""
        async with self.appending:
            entries = await self.store.resolve(batch)
            if entries is None:
                return False
            await self.backlog.admit(entries)
        self.delays.expect(batch.delayed)
        return True

    async def wait_database(self) -> None:
        """Return once the database answers."""
        while True:
            try:
                await self.store.next_due()
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


class ServiceAddress:
    """The addressee of a reference to a service: found anew for every message."""

    __slots__ = ("_key", "_service", "_tenant")

    def __init__(self, service: Service, tenant: str | None, key: str | None) -> None:
        self._service = service
        self._tenant = tenant
        self._key = key

    @property
    def path(self) -> str:
        if self._key is None:
            return self._service.path
        return f"{self._service.path}/{self._tenant}:{self._key}"

    def cell(self) -> Cell:
        return self._service.cell_for_message(self._tenant, self._key)
