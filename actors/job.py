"""Jobs: every durable event is one. Who is to be told how it ended, and what they are told."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

JobOutcome = Literal["completed", "failed", "aborted"]


class Finalizer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom to tell how a job ended: a service that takes `JobEnded`, or dynamic events.

    The message is an event of its own, stored in the commit that ends the job, so neither can be lost alone. `key` is
    the actor it is for; by default the job's own key, or the job's id where the service is keyed and the job has none.
    `context` is any JSON value; it comes back in the message.
    """

    service: str
    key: str | None = None
    context: Any = None


SignatureScope = Literal["tenant", "service", "global"]
DAY_SECONDS = 86_400.0


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes an event a duplicate of another: the same text within a scope, for a time.

    The scope is the service's jobs of the same tenant, all of the service, or all there are. For `seconds` after the
    first one was accepted, whatever became of it, further ones are not stored, and the first one's id is the answer.
    """

    text: str
    scope: SignatureScope = "tenant"
    seconds: float = DAY_SECONDS


class JobCause(msgspec.Struct, frozen=True):
    """Why a job failed or was aborted: the exception's type and message, or who aborted it and why."""

    type: str
    message: str


class JobEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tells a finalizer how a job ended: with its last attempt, not with one that is tried again.

    `result` is what the handler returned, as JSON values: `msgspec.convert` makes a typed one of it. `reenqueued` is
    how often the job was enqueued again in a row by finalizers before; see `Context.reenqueue`.
    """

    job: UUID
    service: str
    type: str
    outcome: JobOutcome
    attempts: int
    key: str | None = None
    result: Any = None
    cause: JobCause | None = None
    context: Any = None
    origin: UUID | None = None
    """The job of which this one was a replay."""
    reenqueued: int = 0
