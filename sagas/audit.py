"""What the app's audit says of people's acts upon sagas. A signal is none: it is the saga's business."""

from __future__ import annotations

from runtime.store.audit import AuditEntry
from sagas.machine import Cancelled, Event, Instance, Repaired, Resumed, Retried, Skipped, Suspended

ACTIONS: dict[type, str] = {
    Cancelled: "cancel_saga",
    Suspended: "suspend_saga",
    Resumed: "resume_saga",
    Retried: "retry_saga",
    Skipped: "skip_saga",
    Repaired: "repair_saga",
}


def entries(event: Event, instance: Instance, *, by: str, at: float) -> list[AuditEntry]:
    """What is noted of something that is asked of a saga; nothing where no person's act is meant."""
    action = ACTIONS.get(type(event))
    if action is None:
        return []
    target = f"{instance.tenant}/{instance.id}"
    return [AuditEntry(action=action, by=by, at=at, target=target, detail=_detail(event))]


def _detail(event: Event) -> str | None:
    match event:
        case Cancelled():
            return event.reason or None
        case Retried() | Skipped():
            return event.place
        case Repaired():
            return ", ".join(sorted(event.data))
        case _:
            return None
