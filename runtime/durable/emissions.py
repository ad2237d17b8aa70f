"""What events bring about: those that handlers emit, jobs enqueued again, and word of how a job ended."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from actors.context import Clock
from actors.job import Finalizer, JobEnded
from actors.message import DYNAMIC, Message
from runtime.durable.admission import Admission, Limits, require_name
from runtime.durable.headers import Headers, headers_of
from runtime.durable.ids import IdSource
from runtime.errors import InvalidInputError
from runtime.store.records import Delayed, Event

Beside = Callable[[UUID, str, str], UUID]


def anywhere(made: UUID, tenant: str, key: str) -> UUID:  # noqa: ARG001 # the signature of `Beside`
    """Where all keys are in one process."""
    return made


class Emissions:
    """Makes events on behalf of other events. Nothing is stored here."""

    def __init__(
        self, admission: Admission, limits: Limits, *, ids: IdSource, clock: Clock, beside: Beside = anywhere
    ) -> None:
        """`beside` gives an event whose id is made an id by which it runs where a key of a tenant does."""
        self._beside = beside
        self._admission = admission
        self._limits = limits
        self._ids = ids
        self._clock = clock

    @property
    def max_result_bytes(self) -> int:
        return self._limits.max_result_bytes

    def emit(
        self,
        cause: Event,
        service: str,
        message: Message,
        tenant: str | None,
        key: str | None,
        delay_seconds: float,
        finalizer: Finalizer | None,
        idempotency_key: str | None = None,
    ) -> Event | Delayed:
        """What a handler emits, on behalf of the event it handles.

        An event without a key whose finalizer may be told in the commit of its outcome runs where that finalizer does:
        nowhere else could it be told so.
        """
        depth = cause.depth + self._admission.deepens(cause.service)
        self._require_depth(depth)
        if tenant:
            require_name("tenant", tenant)
        else:
            tenant = cause.tenant
        identity = self._ids.new_id()
        if (
            key is None
            and finalizer is not None
            and finalizer.key is not None
            and self._admission.joins_endings(finalizer.service)
        ):
            identity = self._beside(identity, tenant, finalizer.key)
        by = f"service:{cause.service}"
        event = self._admission.made(
            identity, service, message, tenant, key, by, cause.id, depth, finalizer, idempotency_key
        )
        return self._admission.delayed(event, delay_seconds) if delay_seconds else event

    def reenqueue(self, cause: Event, job: Event, ended: JobEnded, delay_seconds: float) -> Event | Delayed:
        """The job that a finalizer, handling `cause`, enqueues again. Raises InvalidInputError."""
        self._admission.codec(job.service)
        failed = ended.outcome != "completed"
        count = ended.reenqueued + 1 if failed else 0
        if count > self._limits.max_reenqueues:
            raise InvalidInputError(
                "reenqueued", f"job {job.id} failed and was enqueued again {self._limits.max_reenqueues} times in a row"
            )
        depth = cause.depth if failed else cause.depth + 1
        self._require_depth(depth)
        headers = msgspec.structs.replace(headers_of(job), reenqueued=count).encode()
        again = msgspec.structs.replace(
            job,
            id=self._ids.new_id(),
            accepted_at=self._clock.now(),
            enqueued_by=f"service:{cause.service}",
            attempt=1,
            cause=cause.id,
            origin=job.id,
            depth=depth,
            headers=headers,
        )
        return self._admission.delayed(again, delay_seconds)

    def joins(self, finalizer: Finalizer) -> bool:
        """Whether a finalizer may be told in the commit of the job."""
        return self._admission.joins_endings(finalizer.service)

    def telling(self, job: Event, finalizer: Finalizer, ended: JobEnded) -> Event:
        """The event that tells a finalizer how a job ended. Nothing is refused any more: the job has ended."""
        known = finalizer.service in self._admission
        typed = not known or JobEnded.__name__ in self._admission.codec(finalizer.service).names
        key = finalizer.key or job.key
        if key is None and known and self._admission.is_keyed(finalizer.service):
            key = str(job.id)
        return Event(
            self._ids.new_id(),
            finalizer.service,
            job.tenant,
            key,
            JobEnded.__name__ if typed else DYNAMIC,
            msgspec.json.encode(ended),
            self._clock.now(),
            f"service:{job.service}",
            1,
            job.id,
            None,
            job.depth,
            Headers(ends=job.id).encode(),
        )

    def _require_depth(self, depth: int) -> None:
        limit = self._limits.max_depth
        if depth > limit:
            raise InvalidInputError("depth", f"{depth} handlers have emitted one another; the limit is {limit}")
