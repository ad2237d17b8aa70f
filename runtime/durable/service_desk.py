"""The states of actors, and the tenants that services park, for people."""

from __future__ import annotations

from collections.abc import Mapping

from actors.context import Clock
from actors.state import state_of
from runtime.durable.admission import require_name
from runtime.durable.service import Service
from runtime.errors import ConflictError, NotFoundError, UnknownServiceError
from runtime.service_operations import ParkedTenant
from runtime.store.audit import AuditEntry
from runtime.store.port import Store
from runtime.store.records import StoredState


class ServiceDesk:
    """See `runtime.service_operations.ServiceOperations`."""

    def __init__(self, services: Mapping[str, Service], store: Store, clock: Clock) -> None:
        self._services = services
        self._store = store
        self._clock = clock

    async def state(self, service: str, tenant: str, key: str) -> StoredState:
        found = self._service(service)
        if state_of(found.definition.actor) is None:
            raise NotFoundError(f"the actors of {service} have no durable state")
        await found.journal.flush()
        states = await self._store.states(service, [(tenant, key)])
        if not states:
            raise NotFoundError(f"{service} has no state of tenant {tenant!r} and key {key!r}")
        return states[0]

    def breakers(self, service: str | None = None) -> list[ParkedTenant]:
        chosen = self._services.values() if service is None else [self._service(service)]
        return [
            ParkedTenant(each.name, view)
            for each in chosen
            if each.breakers is not None
            for view in each.breakers.views()
        ]

    async def resume(self, service: str, tenant: str, *, by: str) -> None:
        require_name("by", by)
        found = self._service(service)
        if found.breakers is None or not found.breakers.close(tenant):
            raise ConflictError(f"{service} has not parked tenant {tenant!r}")
        noted = AuditEntry(action="resume_tenant", by=by, at=self._clock.now(), target=f"{service}/{tenant}")
        await self._store.audit.note([noted])

    def _service(self, name: str) -> Service:
        found = self._services.get(name)
        if found is None:
            raise UnknownServiceError(f"no service is named {name!r}")
        return found
