"""`Operations` over an app that runs in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from runtime.admission import require_name
from runtime.errors import ConflictError, InvalidInputError, NotFoundError
from runtime.operations import MAX_PAGE, Readiness, ServiceInfo
from runtime.store.records import Batch, DeadLetterFilter, DeadLetterView
from runtime.tree import TreeNode

if TYPE_CHECKING:
    from runtime.running import Running


class AppOperations:
    """See `runtime.operations.Operations`."""

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def app_name(self) -> str:
        return self._running.name

    def tree(self) -> TreeNode:
        return self._running.node()

    def readiness(self) -> Readiness:
        return self._running.readiness()

    def services(self) -> list[ServiceInfo]:
        return [
            ServiceInfo(
                name=service.name,
                keyed=service.definition.keyed,
                slots=service.definition.slots,
                chunk_size=service.definition.chunk_size,
                messages=service.definition.message_names(),
                metadata=service.definition.metadata,
            )
            for service in self._running.machinery.services.values()
        ]

    async def enqueue_json(
        self,
        service: str,
        payload: bytes,
        *,
        tenant: str,
        key: str | None,
        type_name: str | None,
        event_id: UUID | None,
        delay_seconds: float,
        by: str,
    ) -> UUID:
        admission = self._running.admission
        event = admission.json_event(
            service, payload, tenant=tenant, key=key, type_name=type_name, by=by, event_id=event_id
        )
        await self._running.append([admission.delayed(event, delay_seconds)])
        return event.id

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        if not 1 <= which.limit <= MAX_PAGE:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {which.limit}")
        return await self._running.store.dead_letters(which)

    async def dead_letter(self, event_id: UUID) -> DeadLetterView:
        found = await self._running.store.dead_letter(event_id)
        if found is None:
            raise NotFoundError(f"no dead letter has the id {event_id}")
        return found

    async def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        require_name("by", by)
        running = self._running
        letter = await self.dead_letter(event_id)
        if letter.state != "open":
            raise ConflictError(f"dead letter {event_id} is {letter.state} already")
        dead = letter.event
        event = running.admission.json_event(
            dead.service,
            dead.payload if payload is None else payload,
            tenant=dead.tenant,
            key=dead.key,
            type_name=dead.type,
            by=by,
            origin=dead.id,
        )
        detail = None if payload is None else "with another payload"
        async with running.machinery.appending:
            entries = await running.store.replay(
                event_id, Batch(events=[event]), by=by, at=running.clock.now(), detail=detail
            )
            running.backlog.admit(entries)
        return event.id

    async def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        require_name("by", by)
        await self._running.store.discard(event_id, by=by, at=self._running.clock.now(), detail=reason)
