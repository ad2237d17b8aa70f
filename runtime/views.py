"""The JSON that HTTP and the command line show.

This is the one place where the runtime's times, seconds since the epoch, become the ISO 8601 strings in UTC that
people read, such as `2026-01-31T12:00:00.250000Z`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from runtime.cells.dead_messages import DeadMessage, DeadMessagesFound, DeadReason
from runtime.operations import ServiceInfo
from runtime.store.records import Cause, DeadLetterState, DeadLetterView
from runtime.tree import Kind, TreeNode

Time = Annotated[datetime, msgspec.Meta(tz=True)]

MESSAGE_CHARACTERS = 1000
"""Of a message in memory that is shown as text."""


class LimitJson(msgspec.Struct, frozen=True):
    """The figures of a limit that is reached; see `runtime.errors.LimitError`."""

    limit: str
    scope: str
    allowed: float
    used: float
    retry_after_seconds: float | None


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """`field` names the part of the request that is wrong, such as `payload.arr_delay`, where one is."""

    type: str
    field: str | None
    message: str
    limit: LimitJson | None = None


class ErrorJson(msgspec.Struct, frozen=True):
    error: ErrorDetail


class Health(msgspec.Struct, frozen=True):
    """Which process answers."""

    app: str
    incarnation: UUID
    pid: int


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The id of the event that was stored, or with `duplicate` of the one that holds its signature."""

    id: UUID
    duplicate: bool = False


class Discarded(msgspec.Struct, frozen=True):
    id: UUID
    state: DeadLetterState = "discarded"


class ExitJson(msgspec.Struct, frozen=True):
    """One end of a life; see `actors.Exit`."""

    at: Time
    reason: str
    explained: bool


class TreeJson(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised part of the process, with the parts below it; see `runtime.tree.TreeNode`."""

    name: str
    kind: Kind
    state: str
    since: Time
    strategy: str | None
    restarts: int
    last_reason: str | None
    last_restart_at: Time | None
    exits: tuple[ExitJson, ...]
    mailbox_depth: int | None
    oldest_message_seconds: float | None
    handled: int | None
    detail: str | None
    children: tuple[TreeJson, ...]
    children_total: int


class ServicesJson(msgspec.Struct, frozen=True):
    services: list[ServiceInfo]


class AttemptJson(msgspec.Struct, frozen=True):
    attempt: int
    accepted_at: Time
    outcome: str | None
    started_at: Time | None
    finished_at: Time | None
    error: str | None


class AuditJson(msgspec.Struct, frozen=True):
    action: str
    by: str
    at: Time
    detail: str | None


class DeadLetterJson(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter. Attempts and audit are empty in a list and full when one is shown."""

    id: UUID
    tenant: str
    service: str
    key: str | None
    type: str
    payload: msgspec.Raw
    accepted_at: Time
    enqueued_by: str
    attempt: int
    origin: UUID | None
    cause: Cause
    died_at: Time
    state: DeadLetterState
    replayed_as: UUID | None
    replay_outcome: str | None
    attempts: list[AttemptJson]
    audit: list[AuditJson]


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` must be for the page that follows, or null on the last one."""

    dead_letters: list[DeadLetterJson]
    next: UUID | None


class DeadMessageJson(msgspec.Struct, frozen=True):
    """A message in memory that was never handled. `message` is its JSON, cut to 1,000 characters."""

    path: str
    type: str
    reason: DeadReason
    at: Time
    message: str


class DeadMessagesJson(msgspec.Struct, frozen=True):
    """`total` and `reasons` count since the app started; only the last 1,000 are kept, newest first."""

    total: int
    reasons: dict[DeadReason, int]
    dead_messages: list[DeadMessageJson]


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def tree_json(node: TreeNode) -> TreeJson:
    # lax conversion reads numbers as seconds since the epoch where a time is wanted
    return msgspec.convert(node, TreeJson, from_attributes=True, strict=False)


def dead_letter_json(view: DeadLetterView) -> DeadLetterJson:
    event = view.event
    return DeadLetterJson(
        id=event.id,
        tenant=event.tenant,
        service=event.service,
        key=event.key,
        type=event.type,
        payload=msgspec.Raw(event.payload),
        accepted_at=utc(event.accepted_at),
        enqueued_by=event.enqueued_by,
        attempt=event.attempt,
        origin=event.origin,
        cause=view.cause,
        died_at=utc(view.died_at),
        state=view.state,
        replayed_as=view.replayed_as,
        replay_outcome=view.replay_outcome,
        attempts=msgspec.convert(view.attempts, list[AttemptJson], from_attributes=True, strict=False),
        audit=msgspec.convert(view.audit, list[AuditJson], from_attributes=True, strict=False),
    )


def page_json(views: list[DeadLetterView], limit: int) -> DeadLetterPage:
    rows = [dead_letter_json(view) for view in views]
    return DeadLetterPage(rows, rows[-1].id if len(rows) == limit else None)


def dead_messages_json(found: DeadMessagesFound) -> DeadMessagesJson:
    return DeadMessagesJson(found.total, dict(found.reasons), [_dead_message(dead) for dead in found.last])


def _dead_message(dead: DeadMessage) -> DeadMessageJson:
    text = _text_of(dead.message)[:MESSAGE_CHARACTERS]
    return DeadMessageJson(dead.path, type(dead.message).__name__, dead.reason, utc(dead.at), text)


def _text_of(message: object) -> str:
    """A message in memory may hold what JSON cannot, such as references."""
    try:
        return msgspec.json.encode(message, enc_hook=repr).decode()
    except (TypeError, ValueError, RecursionError):
        return f"<{type(message).__name__}>"
