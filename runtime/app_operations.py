"""`Operations` over an app that runs in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from actors.job import Finalizer, Signature
from runtime.audit_office import AuditOffice
from runtime.cells.dead_messages import DeadMessagesFound
from runtime.durable.dead_letter_office import DeadLetterOffice
from runtime.durable.job_desk import JobDesk
from runtime.durable.service_desk import ServiceDesk
from runtime.durable.tenant_desk import TenantDesk
from runtime.errors import InvalidInputError
from runtime.job_operations import JobOperations
from runtime.operations import MAX_PAGE, Readiness, Receipt, ServiceInfo
from runtime.replay_office import ReplayOffice, ReplayOperations
from runtime.schedule_operations import ScheduleOperations
from runtime.service_operations import ServiceOperations
from runtime.store.membership import Member
from runtime.tenants import TenantOperations
from runtime.tree import TreeNode
from runtime.trees.operations import TreeOperations

if TYPE_CHECKING:
    from runtime.running import Running


class AppOperations(DeadLetterOffice):
    """See `runtime.operations.Operations`."""

    def __init__(self, running: Running) -> None:
        machinery = running.machinery
        super().__init__(
            running.store,
            running.clock,
            rebuild=running.admission.replay_of,
            reruns=machinery.reruns,
            appending=machinery.appending,
            admit=machinery.backlog.admit,
        )
        self._running = running
        self.jobs: JobOperations = JobDesk(machinery, running.aborts.wake)
        self.audit = AuditOffice(running.store.audit)
        self.trees = TreeOperations(machinery.supervisor_at, running.store.audit, running.clock)
        self.replays: ReplayOperations = ReplayOffice(
            running.store.replays,
            running.admission,
            running.clock,
            limit=running.settings.max_replay,
            wake=running.replays.wake,
        )
        self.schedules: ScheduleOperations = running.schedule_desk
        self.desk: ServiceOperations = ServiceDesk(machinery.services, running.store, running.clock)
        self.tenants: TenantOperations = TenantDesk(
            machinery, running.policies, running.book, running.limits, self.jobs
        )

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
                work_class=service.definition.work_class,
                classes=service.fair.classes(),
            )
            for service in self._running.machinery.services.values()
        ]

    async def members(self) -> list[Member]:
        return [member for member in await self._running.store.members() if not member.passive]

    def dead_messages(self, limit: int) -> DeadMessagesFound:
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {limit}")
        return self._running.machinery.run_queue.dead.found(limit)

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
        finalizer: Finalizer | None = None,
        signature: str | Signature | None = None,
    ) -> Receipt:
        admission = self._running.admission
        event = admission.json_event(
            service,
            payload,
            tenant=tenant,
            key=key,
            type_name=type_name,
            by=by,
            event_id=event_id,
            finalizer=finalizer,
        )
        return await self._running.intake.accept(admission.delayed(event, delay_seconds), signature)
