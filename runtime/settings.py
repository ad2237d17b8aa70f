"""Settings of one run: every number is a default that can be changed."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive

DEFAULT_HTTP = "127.0.0.1:8321"
DEFAULT_DATA_DIR = Path(".postroom")
DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024
DEFAULT_MAX_DELAY_SECONDS = 600.0
DEFAULT_WINDOW = 2000
DEFAULT_LEASE_SECONDS = 10.0
DEFAULT_PULSE_SECONDS = 0.1
DEFAULT_DATABASE_WAIT_SECONDS = 60.0
MIN_LEASE_SECONDS = 3.0
"""A sign of life comes every second."""
DEFAULT_RETENTION_DAYS = 7.0
DEFAULT_MAX_DEPTH = 1000
DEFAULT_MAX_REENQUEUES = 5
DEFAULT_MAX_REPLAY = 1000
DEFAULT_MAX_CALLOUTS = 3
DEFAULT_MAX_SCHEDULES = 100
DEFAULT_MAX_CALLOUT_ROUNDS = 3
DEFAULT_CALLOUT_SECONDS = 120.0
DEFAULT_MAX_WAITING_CALLOUTS = 10_000
SECONDS_PER_DAY = 86_400.0
MAX_DEPTH = 32_767
"""What the log can count to."""
POSITIVE = (
    "callout_seconds",
    "max_callout_rounds",
    "max_callouts",
    "max_payload_bytes",
    "max_delay_seconds",
    "max_replay",
    "max_schedules",
    "max_result_bytes",
    "window",
    "retention_days",
    "connections",
    "lease_seconds",
    "pulse_seconds",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How an app runs.

    `database` is a PostgreSQL URL; None starts the embedded server on `data_dir`. `http` is `HOST:PORT` on a loopback
    address (port 0 takes a free one), None serves no HTTP. `window` is how many waiting events of one tenant and
    service are held in memory; the rest stays in the log. `retention_days`, which may be a fraction, is how long events
    and their outcomes stay in the logs at least; what has not ended stays, and so do dead letters. An id of the
    caller's own is known for as long.
    """

    database: str | None = None
    data_dir: Path = DEFAULT_DATA_DIR
    schema: str = "postroom"
    http: str | None = None
    max_payload_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES
    max_delay_seconds: float = DEFAULT_MAX_DELAY_SECONDS
    window: int = DEFAULT_WINDOW
    retention_days: float = DEFAULT_RETENTION_DAYS
    max_depth: int = DEFAULT_MAX_DEPTH
    """How long a chain of handlers that emit one another's events may grow: it ends loops that nobody meant."""
    max_reenqueues: int = DEFAULT_MAX_REENQUEUES
    """How often in a row finalizers may enqueue a job again that failed."""
    max_replay: int = DEFAULT_MAX_REPLAY
    """How many events a replay by filter may match without being confirmed."""
    max_schedules: int = DEFAULT_MAX_SCHEDULES
    """How many schedules a tenant may have."""
    max_result_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES
    """How large what a handler returns may be, where it is kept or told to a finalizer."""
    max_callouts: int = DEFAULT_MAX_CALLOUTS
    """How many callouts a handler may wait for at once."""
    max_callout_rounds: int = DEFAULT_MAX_CALLOUT_ROUNDS
    """How many times one attempt at an event may wait for callouts."""
    callout_seconds: float = DEFAULT_CALLOUT_SECONDS
    """How long one callout may take."""
    max_waiting_callouts: int = DEFAULT_MAX_WAITING_CALLOUTS
    """How many handlers of a service may wait for callouts without their slot; any more keep theirs."""
    config: Path | None = None
    """A TOML file with policies of tenants and services, which are laid over those of the app."""
    connections: int = 8
    """How many units of work may hold a database connection at once."""
    pooled_connections: bool = False
    """True behind a transaction pooler: no prepared statements are kept."""
    lease_seconds: float = DEFAULT_LEASE_SECONDS
    """How long a process may stand still before the others that share the database take it for dead. One whose session
    with the database ends is found out within a second."""
    pulse_seconds: float = DEFAULT_PULSE_SECONDS
    """How often a process asks what others appended for it."""
    database_wait_seconds: float = DEFAULT_DATABASE_WAIT_SECONDS
    """How long a start waits for a database that cannot be reached; 0 fails at once. An app that has started waits for
    as long as it takes."""
    development: bool | None = None
    """Whether actors are watched for asks that would wait for each other and for handlers that block the event loop;
    None for asyncio's debug mode. It makes messages in memory several times as dear."""

    def __post_init__(self) -> None:
        for field in POSITIVE:
            require_positive(field, getattr(self, field))
        if not 1 <= self.max_depth <= MAX_DEPTH:
            raise SpecError("max_depth", f"must be between 1 and {MAX_DEPTH}, not {self.max_depth}")
        if self.max_waiting_callouts < 0:
            raise SpecError("max_waiting_callouts", f"must be 0 or more, not {self.max_waiting_callouts}")
        for field in ("max_reenqueues", "database_wait_seconds"):
            if not 0 <= getattr(self, field) < math.inf:
                raise SpecError(field, f"must be 0 or more, not {getattr(self, field)}")
        if self.lease_seconds < MIN_LEASE_SECONDS:
            raise SpecError("lease_seconds", f"must be at least {MIN_LEASE_SECONDS:g}, not {self.lease_seconds}")
        if self.window < 10:
            raise SpecError("window", f"must be at least 10, not {self.window}")
