"""Errors of the runtime that callers can meet."""

from __future__ import annotations

from uuid import UUID

from actors.errors import PostroomError


class RuntimeFaultError(PostroomError):
    """Base of the errors that the runtime raises."""


class InvalidInputError(RuntimeFaultError, ValueError):
    """What was given cannot be accepted; nothing was stored. `field` names the part that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class FilterTooWideError(InvalidInputError):
    """A filter matches more than may be acted on without being confirmed."""


class PayloadTooLargeError(InvalidInputError):
    """The encoded message is larger than the limit."""


class UnknownServiceError(RuntimeFaultError, LookupError):
    """No service has that name."""


class NotFoundError(RuntimeFaultError, LookupError):
    """The thing asked for does not exist."""


class ConflictError(RuntimeFaultError):
    """The thing is in a state that does not allow what was asked. `field` is the part of the request that meets it."""

    def __init__(self, problem: str, field: str | None = None) -> None:
        super().__init__(problem if field is None else f"{field}: {problem}")
        self.field = field
        self.problem = problem


class JobFailedError(RuntimeFaultError):
    """The job whose result was wanted failed for good. `error` is what its last attempt raised."""

    def __init__(self, job_id: UUID, error: str) -> None:
        super().__init__(f"job {job_id} failed: {error}")
        self.job_id = job_id
        self.error = error


class JobAbortedError(RuntimeFaultError):
    """The job was aborted. `reason` says by whom and why."""

    def __init__(self, job_id: UUID, reason: str) -> None:
        super().__init__(f"job {job_id} was aborted: {reason}")
        self.job_id = job_id
        self.reason = reason


class ResultNotKeptError(RuntimeFaultError, LookupError):
    """The service keeps no results."""


class ClosedError(ConflictError):
    """The tenant or the service takes no events now: an operator drains or quarantines it."""


class LimitError(RuntimeFaultError):
    """More events than a limit allows; nothing was stored.

    `limit` is `backlog`, `rate` or `daily_quota`, `scope` whom it is for, `allowed` and `used` the figures, and
    `retry_after_seconds` when there will be room: None where time does not help.
    """

    def __init__(
        self, limit: str, scope: str, *, allowed: float, used: float, retry_after_seconds: float | None
    ) -> None:
        rule = {
            "backlog": f"{allowed:,.0f} events may wait, and {used:,.0f} do",
            "rate": f"{allowed:,g} events a second",
            "daily_quota": f"{allowed:,.0f} events within 24 hours, of which {used:,.0f} came",
        }.get(limit, limit)
        hint = "it will never have room for so many" if retry_after_seconds is None else _hint(retry_after_seconds)
        super().__init__(f"the limit of {scope} is reached: {rule}; {hint}")
        self.limit = limit
        self.scope = scope
        self.allowed = allowed
        self.used = used
        self.retry_after_seconds = retry_after_seconds


def _hint(seconds: float) -> str:
    return f"try again in {seconds:,.3g} s" if seconds < 1000 else f"try again in {seconds:,.0f} s"


class AppStoppedError(RuntimeFaultError):
    """The app gave up, or was stopped, before what was waited for had come."""


class StoreError(RuntimeFaultError):
    """Base of the errors of the store."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached right now; what was asked may be tried again."""


class DatabaseRefusedError(StoreError):
    """The server does not let this user into this database; trying again does not help."""


class AnotherClusterError(DatabaseRefusedError):
    """The address leads to another database cluster than the one that the app was started on."""


class CommitUnknownError(StoreUnavailableError):
    """The connection was lost during a commit: ask `Store.resolve` whether it took place."""


class LeaseLostError(StoreError):
    """Another incarnation owns the shards now; this one must not write any more."""


class LeaseHeldError(StoreError):
    """Another app runs on this database."""

    def __init__(self, app: str, process: str) -> None:
        super().__init__(
            f"the app {app} is running on this database (process {process}); give each app a schema of its own"
            " with --schema, or name another database with --database"
        )
        self.app = app


class DatabaseUseError(StoreError):
    """A handler used `self.db` in a way that it must not be used."""


class SchemaTooNewError(StoreError):
    """The database was migrated by a newer version."""


class ServerTooOldError(StoreError):
    """The PostgreSQL server is older than the oldest one supported."""


class ServerEndedError(StoreError):
    """The embedded server's process has ended."""


class TablesError(StoreError):
    """The SQL given to `App.tables` cannot be run."""
