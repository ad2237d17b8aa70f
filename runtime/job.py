"""A job as a program holds it: how it stands, how it ends, what it returned."""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

import msgspec

from runtime.errors import InvalidInputError, JobAbortedError, JobFailedError
from runtime.job_operations import JobOperations
from runtime.store.job_records import JobStatus, JobView

T = TypeVar("T")


class ResultTypes(Protocol):
    """Knows what handlers promise to return."""

    def result_type(self, service: str, message: str) -> Any:
        """The annotation of the handler, `Any` where there is none. Raises ResultNotKeptError."""
        ...


class Job:
    """One job by its id. `duplicate`: its signature was known, so that this is the job enqueued first.

    Every method raises NotFoundError where no job has the id, or the log no longer has it.
    """

    __slots__ = ("_operations", "_types", "duplicate", "id")

    def __init__(self, job_id: UUID, operations: JobOperations, types: ResultTypes, *, duplicate: bool = False) -> None:
        self.id = job_id
        self.duplicate = duplicate
        self._operations = operations
        self._types = types

    async def view(self) -> JobView:
        """The job as it stands, with its attempts."""
        return await self._operations.job(self.id)

    async def status(self) -> JobStatus:
        return (await self.view()).status

    async def wait(self, timeout_seconds: float = math.inf) -> JobView:
        """Return when it has ended, or after the time-out as it is then."""
        return await self._operations.wait(self.id, timeout_seconds)

    @overload
    async def result(self, kind: type[T], *, timeout_seconds: float = ...) -> T: ...
    @overload
    async def result(self, kind: None = None, *, timeout_seconds: float = ...) -> Any: ...

    async def result(self, kind: Any = None, *, timeout_seconds: float = math.inf) -> Any:
        """Wait until it has ended and return what its handler returned.

        It is decoded as `kind`, else as what the handler is annotated to return, else as plain JSON values.

        Raises:
            JobFailedError, JobAbortedError: it ended so.
            ResultNotKeptError: its service is declared without `keep_results=True`.
            InvalidInputError: with the field `result`, where what is kept does not decode so.
            TimeoutError: it has not ended in time.
        """
        event = (await self.view()).event
        promised = self._types.result_type(event.service, event.type)
        view = await self.wait(timeout_seconds)
        if view.status == "failed":
            raise JobFailedError(self.id, view.error or "")
        if view.status == "aborted":
            raise JobAbortedError(self.id, view.error or "")
        if view.status != "completed":
            raise TimeoutError(f"job {self.id} has not ended within {timeout_seconds:g} s; it is {view.status}")
        value = await self._operations.result(self.id)
        return None if value is None else _decode(value, promised if kind is None else kind)

    async def abort(self, *, by: str = "app", reason: str | None = None) -> JobView:
        """End it before it is done: see `JobOperations.abort`. Raises ConflictError."""
        return await self._operations.abort(self.id, by=by, reason=reason)

    def __repr__(self) -> str:
        return f"Job({self.id})"


def _decode(value: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidInputError("result", str(error)) from None
    except TypeError:  # an annotation that means something to type checkers alone
        return msgspec.json.decode(value)
