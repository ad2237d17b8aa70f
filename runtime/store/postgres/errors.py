"""Which errors mean that the database cannot be reached. The only place that classifies them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import asyncpg

from runtime.errors import ConflictError, DatabaseRefusedError, LeaseLostError, StoreUnavailableError

FENCED = "PR001"
"""The SQLSTATE that `enter()` raises."""
TAKEN = "PR002"
"""The one that `take_outbox()` raises."""
CHANGED = "PR003"
"""The one that `advance_schedules()` raises."""

OWN_CODES: dict[str | None, Callable[[], Exception]] = {
    FENCED: lambda: LeaseLostError("another incarnation owns the shards now; stop this one"),
    TAKEN: lambda: ConflictError("another process has moved what was in the outbox; nothing was written"),
    CHANGED: lambda: ConflictError("a schedule has changed meanwhile; nothing was written"),
}

_UNAVAILABLE_CLASSES = ("08", "53", "57P")
"""Connection exceptions, insufficient resources (disk full, too many connections), operator intervention."""

_UNAVAILABLE_CODES = frozenset(
    (
        "25006",  # read-only transaction: a standby, or a primary that has just been demoted
        "25P03",  # the server ended a transaction that idled too long
        "55P03",  # a lock was not to be had in time
        "57014",  # cancelled by an operator, a time limit or a late cancellation of the statement before
    )
)


_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,  # with the subclass for a wrong password
    asyncpg.InvalidCatalogNameError,  # there is no such database
    asyncpg.ClientConfigurationError,
)


def is_unavailable(error: BaseException) -> bool:
    """Whether the same request may succeed later, through no fault of what was asked."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code.startswith(_UNAVAILABLE_CLASSES) or code in _UNAVAILABLE_CODES
    if isinstance(error, asyncpg.InternalClientError):  # an answer cut short by the end of the connection
        return True
    if type(error) is asyncpg.InterfaceError:  # its subclasses are about arguments
        return "closed" in str(error) or "released" in str(error)
    return isinstance(error, (OSError, TimeoutError))


def ends_connection(error: BaseException) -> bool:
    """Whether the connection is gone, or useless, so that what it was doing may or may not have happened."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code.startswith(("08", "57P")) or code == "25P03"
    return is_unavailable(error)


def store_error(error: Exception, schema: str) -> Exception:
    """What a caller of the store gets to see for an error of the driver."""
    if isinstance(error, asyncpg.PostgresError):
        if error.sqlstate in OWN_CODES:
            return OWN_CODES[error.sqlstate]()
        if isinstance(error, asyncpg.UniqueViolationError) and _is_outcome(error, schema):
            return ConflictError("an entry of the batch already has its outcome; nothing was written")
        if isinstance(error, asyncpg.CheckViolationError) and _is_moved(error, schema):
            return StoreUnavailableError("a partition was made meanwhile; nothing was written, try again")
    if isinstance(error, _REFUSALS):
        return DatabaseRefusedError(f"the database refused the connection ({describe(error)}); check its address")
    if is_unavailable(error):
        return StoreUnavailableError(f"the database is not available ({describe(error)})")
    return error


@contextlib.contextmanager
def translated(schema: str) -> Iterator[None]:
    """Turn the driver's errors into those of the store; others pass."""
    try:
        yield
    except Exception as error:
        seen = store_error(error, schema)
        if seen is error:
            raise
        raise seen from error


def describe(error: BaseException) -> str:
    """An error in one line; some of them have no text."""
    return " ".join(str(error).split()) or type(error).__name__


def _is_outcome(error: asyncpg.UniqueViolationError, schema: str) -> bool:
    return error.schema_name == schema and (error.table_name or "").startswith("outcome")


def _is_moved(error: asyncpg.CheckViolationError, schema: str) -> bool:
    """Whether a row was on its way to a default partition when one of its own was made. No constraint is named."""
    in_log = error.table_name in {"event_log_default", "outcome_default"}
    return error.schema_name == schema and in_log and error.constraint_name is None
