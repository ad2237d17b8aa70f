"""Sagas as HTTP and the command line show them. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from runtime.views import Time, utc
from sagas.definition import Definition
from sagas.library import Shelf, Version
from sagas.machine import Activity, Instance, Signalled, Status
from sagas.plan import UNDO, Plan


class Started(msgspec.Struct, frozen=True):
    """The id of the saga that was started."""

    id: str


class Told(msgspec.Struct, frozen=True):
    """What was asked of a saga is accepted, and carried out in its turn. `status` is what it was before."""

    id: str
    status: Status


class SagaBrief(msgspec.Struct, frozen=True):
    """A saga in a list. `cause` is why it turned back."""

    id: str
    tenant: str
    saga: str
    version: int
    status: Status
    started_at: Time
    changed_at: Time
    cause: str | None


class SagaPage(msgspec.Struct, frozen=True):
    """Highest ids first. `next` is what `before` must be for the page that follows, or null on the last one."""

    sagas: list[SagaBrief]
    next: str | None


class PlaceJson(msgspec.Struct, frozen=True):
    """Where a saga is at work: `sent`, `waiting`, `pausing` before another send, or `parked` for a person."""

    place: str
    state: str
    send: int
    due_at: Time | None
    error: str | None


class EntryJson(msgspec.Struct, frozen=True):
    at: Time
    what: str
    place: str
    detail: str


class SagaJson(msgspec.Struct, frozen=True, kw_only=True):
    """One saga with all that is known of it. `to_undo` names what would be undone, the last first."""

    id: str
    tenant: str
    saga: str
    version: int
    status: Status
    started_at: Time
    started_by: str
    changed_at: Time
    parent: str | None
    pivoted: bool
    cause: str | None
    result: Any
    data: dict[str, Any]
    at_work: list[PlaceJson]
    to_undo: list[str]
    signals_kept: dict[str, int]
    history: list[EntryJson]
    history_forgotten: int


class VersionJson(msgspec.Struct, frozen=True):
    number: int
    checksum: str
    published_at: Time
    by: str
    current: bool


class DefinitionJson(msgspec.Struct, frozen=True):
    """A saga's definition, and its versions, the newest first."""

    name: str
    version: int
    definition: Definition
    versions: list[VersionJson]


class DefinitionsJson(msgspec.Struct, frozen=True):
    sagas: list[str]


def brief(instance: Instance) -> SagaBrief:
    return SagaBrief(
        instance.id,
        instance.tenant,
        instance.saga,
        instance.version,
        instance.status,
        utc(instance.started_at),
        utc(instance.changed_at),
        instance.cause,
    )


def page_of(instances: list[Instance], limit: int) -> SagaPage:
    rows = [brief(instance) for instance in instances]
    return SagaPage(rows, rows[-1].id if len(rows) == limit else None)


def _signals_kept(instance: Instance) -> dict[str, int]:
    """How many of each are not taken yet, those included that came while it is suspended."""
    kept = Counter({name: len(payloads) for name, payloads in instance.signals.items()})
    kept.update(event.signal for event in instance.held if isinstance(event, Signalled))
    return dict(kept)


def saga_json(instance: Instance, plan: Plan) -> SagaJson:
    plan = plan.bound(instance)
    undoables = [plan[each.node].place(each.rounds) + UNDO for each in reversed(instance.undoables)]
    return SagaJson(
        id=instance.id,
        tenant=instance.tenant,
        saga=instance.saga,
        version=instance.version,
        status=instance.status,
        started_at=utc(instance.started_at),
        started_by=instance.started_by,
        changed_at=utc(instance.changed_at),
        parent=instance.parent,
        pivoted=instance.pivoted,
        cause=instance.cause,
        result=instance.result,
        data={name: value for name, value in instance.data.items() if name != "saga"},
        at_work=[_place(place, activity) for place, activity in instance.activities.items()],
        to_undo=undoables if not instance.ended else [],
        signals_kept=_signals_kept(instance),
        history=[EntryJson(utc(each.at), each.what, each.place, each.detail) for each in instance.history],
        history_forgotten=instance.forgotten,
    )


def definition_json(name: str, version: Version, shelf: Shelf) -> DefinitionJson:
    versions = [
        VersionJson(each.number, each.checksum, utc(each.published_at), each.by, each.number == shelf.current)
        for each in reversed(shelf.versions)
    ]
    return DefinitionJson(name, version.number, version.definition, versions)


def _place(place: str, activity: Activity) -> PlaceJson:
    due_at = utc(activity.due_at) if activity.due_at is not None else None
    return PlaceJson(place, activity.state, activity.attempt, due_at, activity.error)
