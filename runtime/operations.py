"""What people and programs may ask of a running app. It knows no HTTP and no terminal, and bounds every window."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

import msgspec

from actors.job import Finalizer, Signature
from actors.spec import Metadata
from runtime.audit_office import AuditOffice
from runtime.cells.dead_messages import DeadMessagesFound
from runtime.core.class_slots import ClassStanding
from runtime.core.work_classes import WorkClass
from runtime.job_operations import JobOperations
from runtime.replay_office import ReplayOperations
from runtime.schedule_operations import ScheduleOperations
from runtime.service_operations import ServiceOperations
from runtime.store.membership import Member
from runtime.store.records import DeadLetterFilter, DeadLetterView
from runtime.tenants import TenantOperations
from runtime.tree import TreeNode
from runtime.trees.operations import TreeOperations

MAX_PAGE = 500


class Readiness(msgspec.Struct, frozen=True):
    """Whether the app accepts and processes events now; if not, `reasons` say why."""

    ready: bool
    reasons: list[str]


class Receipt(msgspec.Struct, frozen=True):
    """The job that was accepted, or with `duplicate` the one that held its signature already."""

    id: UUID
    duplicate: bool = False


class ServiceInfo(msgspec.Struct, frozen=True):
    """A service as people see it. `messages` are the names its handlers take, "" for dynamic events."""

    name: str
    keyed: bool
    slots: int
    chunk_size: int
    messages: list[str]
    metadata: Metadata
    work_class: WorkClass = "unknown"
    """Of the service itself, among those of the app."""
    classes: list[ClassStanding] = []
    """Of work, in this process at this moment; none where it has none."""


class DeadLetterOperations(Protocol):
    """What may be done with dead letters, of an app that runs or of a store at rest."""

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        """Raises InvalidInputError for a `limit` outside 1 to MAX_PAGE."""
        ...

    async def dead_letter(self, event_id: UUID) -> DeadLetterView:
        """Raises NotFoundError."""
        ...

    async def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        """Run a dead letter again as a new event and return its id; `payload` replaces the event's own if given.

        Raises:
            NotFoundError, ConflictError: there is none, or it is not open.
            ConflictError: the service that is told of its end refuses that it runs again.
            InvalidInputError: the payload does not decode for the service.
            UnknownServiceError: this app has no such service any more.
        """
        ...

    async def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        """Give a dead letter up. Raises NotFoundError, ConflictError."""
        ...


class Operations(DeadLetterOperations, Protocol):
    """The read and control side of an app."""

    @property
    def app_name(self) -> str: ...

    @property
    def jobs(self) -> JobOperations: ...

    @property
    def audit(self) -> AuditOffice: ...

    @property
    def trees(self) -> TreeOperations: ...

    @property
    def replays(self) -> ReplayOperations: ...

    @property
    def schedules(self) -> ScheduleOperations: ...

    @property
    def tenants(self) -> TenantOperations: ...

    @property
    def desk(self) -> ServiceOperations: ...

    def tree(self) -> TreeNode:
        """The whole process as a supervision tree."""
        ...

    def readiness(self) -> Readiness: ...

    def services(self) -> list[ServiceInfo]: ...

    async def members(self) -> list[Member]:
        """The processes that share the database. Raises StoreUnavailableError."""
        ...

    def dead_messages(self, limit: int) -> DeadMessagesFound:
        """Messages in memory that were never handled. Raises InvalidInputError for a `limit` outside 1 to MAX_PAGE."""
        ...

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
        """Accept an event whose payload is JSON text.

        `type_name` may be None where the service takes one message class only. Nothing is stored on an error.

        Raises:
            UnknownServiceError: no service has that name.
            InvalidInputError: tenant, key, type, delay or payload; its `field` names the place, as in `payload.delay`.
            PayloadTooLargeError: the payload is over the limit.
            StoreUnavailableError: the app is stopping. While the database is away the call waits.
        """
        ...
