"""Why an event waits, in the order in which the causes stand in its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal
from uuid import UUID

import msgspec

from runtime.core.caps import Part
from runtime.core.class_slots import ClassStanding
from runtime.core.fair_share_tenant import TenantShare
from runtime.core.slot_account import NO_CAP

Cause = Literal[
    "no-owner",
    "elsewhere",
    "backoff",
    "in-log",
    "service-held",
    "hold",
    "flow-control",
    "key-order",
    "tenant-cap",
    "quota",
    "tier",
    "service-slots",
    "class-slots",
    "process-slots",
    "recording",
    "turn",
]
"""no-owner: no process runs the service for its shard. elsewhere: another process does, and knows more. backoff: it
waits for its delay or its next attempt. in-log: it is not in the window of its tenant yet. class-slots: its class of
work fills all the slots that it may. hold: its tenant is paused, quarantined or broken off. key-order: an earlier event
of its key is not done. quota: its tenant is throttled. tier: fair usage moved its tenant down. recording: too many
outcomes wait for the disk. turn: others are before it. flow-control: it was put at the back of the queue."""


Level = Literal["tenant", "account", "service", "app"]
"""What a cap is for: a tenant in the service, a tenant over all services, a service, the app."""


class Owner(msgspec.Struct, frozen=True):
    """Another process, which has the shard of an event; None as the URL if it serves no HTTP."""

    label: str
    url: str | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a waiting event in the process that would run it."""

    owned: bool = True
    elsewhere: Owner | None = None
    """Who has its shard, if this process has not."""
    due_in: float | None = None
    """Seconds until it joins the log, if it waits for that."""
    loaded: bool = True
    """Whether it is in the window of its tenant."""
    service_hold: str | None = None
    holds: frozenset[str] = frozenset()
    put_back: bool = False
    """Whether flow control put it at the back of the queue."""
    blocked_by_key: bool = False
    ahead: int = 0
    """Events of its tenant that are before it, those of its key included."""
    share: TenantShare | None = None
    cap: int = NO_CAP
    """How many slots its tenant may fill in the service."""
    wider_cap: int = NO_CAP
    """How many of this process's slots its tenant may fill over all services."""
    account_full: bool = False
    """Whether its tenant fills all the slots that it may fill over all services."""
    throttled: bool = False
    tier: int = 0
    """The tier of fair usage that sets `cap`; 0 if something else does."""
    slots_per_event: int = 1
    service_room: int = 1
    """How many events more the service may start."""
    process_room: bool = True
    process_keeps: bool = False
    """Whether the slots that the process has free are kept for other classes of services."""
    recording: bool = False
    slots: int = 1
    """How many events the service may run at once."""
    parts: Mapping[Level, Part] = {}
    """Caps of the deployment of which this process has only a part."""
    work_class: ClassStanding | None = None
    """Its class of work, if its service has classes and it is loaded."""
    weight_part: float = 1.0
    """Its tenant's part of the weights of those."""


class Reason(msgspec.Struct, frozen=True):
    cause: Cause
    detail: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why an event waits. `place` is 1 for the first of its tenant in the service; None where it is not known.

    `reasons` hold all at once: the event starts when the last one of them is gone. `expected_seconds` is an estimate
    from the run times seen, None while something holds it that time does not end.
    """

    id: UUID
    service: str
    tenant: str
    key: str | None
    status: str
    place: int | None
    share: TenantShare | None
    reasons: list[Reason]
    expected_seconds: float | None
    work_class: ClassStanding | None = None
    """Its class of work, once it is in memory, where the service has classes."""
    elsewhere: Owner | None = None
    """The process that knows more, where another one has the event's shard."""


def reasons(facts: Facts) -> Iterator[Reason]:
    """Everything that stands in the way of an event now."""
    if not facts.owned:
        yield _owner_reason(facts.elsewhere)
    if facts.due_in is not None:
        yield Reason(
            "backoff", f"it joins the log in {max(0.0, facts.due_in):.3g} s, for its delay or its next attempt"
        )
    if not facts.owned or facts.due_in is not None:
        return
    if facts.service_hold is not None:
        yield Reason("service-held", f"the service is {facts.service_hold}")
    for hold in sorted(facts.holds):
        yield Reason("hold", f"its tenant is held: {hold}")
    if facts.put_back:
        yield Reason("flow-control", "most of the queue was its tenant's, so it went to the back")
        return
    if not facts.loaded:
        yield Reason("in-log", "its tenant's window is full of earlier events; it is read when they have been started")
        return
    if facts.blocked_by_key:
        yield Reason("key-order", "an earlier event of its key has not ended")
    yield from _slot_reasons(facts)


def _owner_reason(owner: Owner | None) -> Reason:
    if owner is None:
        return Reason("no-owner", "no process that runs this service has its shard")
    ask = "which serves no HTTP" if owner.url is None else f"ask it at {owner.url}"
    return Reason("elsewhere", f"process {owner.label} has its shard, and knows what it waits for: {ask}")


def _slot_reasons(facts: Facts) -> Iterator[Reason]:
    filled = 0 if facts.share is None else facts.share.slots
    if filled + facts.slots_per_event > facts.cap:
        cause, why = _cap_cause(facts)
        yield Reason(cause, f"{why} {facts.cap:,} slots, and fills {filled:,}{_part(facts, 'tenant')}")
    if facts.account_full:
        every = "its tenant fills all the slots that it may fill over all services"
        yield Reason("tenant-cap", every + _part(facts, "account"))
    if facts.service_room <= 0:
        yield Reason("service-slots", f"all {facts.slots:,} slots of the service are filled{_part(facts, 'service')}")
    if facts.work_class is not None and facts.work_class.is_full:
        yield _class_reason(facts.work_class)
    if not facts.process_room:
        kept = ", or kept for services of other classes" if facts.process_keeps else ""
        yield Reason("process-slots", f"all slots of the process are filled{kept}{_part(facts, 'app')}")
    if facts.recording:
        yield Reason("recording", "so many outcomes wait for the disk that nothing is started")
    if facts.ahead and not facts.blocked_by_key:
        yield Reason("turn", f"{facts.ahead:,} events of its tenant are before it")


def _cap_cause(facts: Facts) -> tuple[Cause, str]:
    if facts.throttled:
        return "quota", "it is over its daily quota, and may fill"
    if facts.tier:
        return (
            "tier",
            f"its tenant filled more than its share while others waited, is in tier {facts.tier}, and may fill",
        )
    return "tenant-cap", "its tenant may fill"


def _class_reason(standing: ClassStanding) -> Reason:
    fills = f"its class of work, {standing.name}, fills {standing.filled:,} slots"
    return Reason("class-slots", f"{fills} and may fill no more: the others run other classes or are kept for them")


def _part(facts: Facts, level: Level) -> str:
    return f"; {facts.parts[level]}" if level in facts.parts else ""


def expected_seconds(facts: Facts) -> float | None:
    """When an event is likely to start: what is before it, at the pace of its tenant's part of the slots."""
    if not facts.owned or facts.service_hold is not None or facts.holds:
        return None
    if facts.due_in is not None:
        return max(0.0, facts.due_in)
    if not facts.loaded:
        return None
    if facts.share is None:
        return 0.0
    slots = facts.slots if facts.work_class is None else facts.work_class.most
    cap = min(facts.cap, facts.wider_cap)
    part = min(max(1, slots) * facts.weight_part, max(1.0, cap / facts.slots_per_event))
    full = facts.work_class is not None and facts.work_class.is_full
    busy = full or facts.service_room <= 0 or not facts.process_room
    return facts.share.estimate_seconds * (facts.ahead + busy) / max(part, 1e-9)
