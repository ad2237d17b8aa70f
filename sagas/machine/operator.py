"""What people may do to a running saga, and when. What is refused changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sagas.definition import Called, Loop, Sequence, SubSaga
from sagas.errors import ExpressionError, RefusedError
from sagas.machine.commands import Tell
from sagas.machine.events import (
    Cancelled,
    Done,
    Event,
    Failed,
    Repaired,
    Resumed,
    Retried,
    Signalled,
    Skipped,
    Suspended,
    Undone,
)
from sagas.machine.failing import fail, send_undo, turn_back, undo_next
from sagas.machine.forward import send, work_off
from sagas.machine.run import Run
from sagas.machine.state import MAX_SIGNALS, Activity

OperatorEvent = Cancelled | Suspended | Resumed | Retried | Skipped | Repaired | Undone


def operate(run: Run, event: OperatorEvent) -> Iterable[Event]:
    """Carry out what a person, or the saga around this one, asks for; return what is to happen next.

    Raises:
        RefusedError: it is impossible now.
    """
    match event:
        case Undone():
            _undo_ended(run, event)
        case Cancelled():
            return _cancel(run, event)
        case Suspended():
            _suspend(run, event)
        case Resumed():
            return _resume(run, event)
        case Retried():
            _retry(run, event)
        case Skipped():
            return _skip(run, event)
        case Repaired():
            _repair(run, event)
    return ()


def require_signal(run: Run, event: Signalled) -> None:
    """Raises RefusedError for a signal that this saga will never, or cannot now, take."""
    _require_going(run)
    if event.signal not in run.plan.signals:
        known = ", ".join(sorted(run.plan.signals)) or "none"
        raise RefusedError(f"{run.instance.saga} waits for no signal named {event.signal!r}; it knows: {known}")
    if sum(map(len, run.instance.signals.values())) >= MAX_SIGNALS:
        raise RefusedError(f"{MAX_SIGNALS} signals wait for this saga already")


def _require_going(run: Run) -> None:
    if run.instance.ended:
        raise RefusedError(f"the saga has ended: it is {run.instance.status}")


def _cancel(run: Run, event: Cancelled) -> Iterable[Event]:
    _require_going(run)
    instance = run.instance
    if instance.phase != "forward":
        raise RefusedError("the saga is being undone already")
    if instance.pivoted:
        raise RefusedError("the saga is past its pivot and only goes forward; repair or skip what is parked")
    held, instance.held, instance.suspended = instance.held, [], False
    run.note("cancel", "", f"by {event.by}" + (f": {event.reason}" if event.reason else ""))
    turn_back(run, "cancelled", event.reason or f"cancelled by {event.by}")
    return held


def _suspend(run: Run, event: Suspended) -> None:
    _require_going(run)
    if run.instance.suspended:
        raise RefusedError("the saga is suspended already")
    run.instance.suspended = True
    run.note("suspended", "", f"by {event.by}")


def _resume(run: Run, event: Resumed) -> Iterable[Event]:
    _require_going(run)
    instance = run.instance
    if not instance.suspended:
        raise RefusedError("the saga is not suspended")
    held, instance.held, instance.suspended = instance.held, [], False
    run.note("resumed", "", f"by {event.by}")
    return held


def _retry(run: Run, event: Retried) -> None:
    _require_going(run)
    if run.instance.suspended:
        raise RefusedError("the saga is suspended; resume it first")
    for place in _parked(run, event.place):
        activity = run.instance.activities[place]
        run.note("retry", place, f"by {event.by}")
        _again(run, place, activity)
        work_off(run)


def _skip(run: Run, event: Skipped) -> Iterable[Event]:
    _require_going(run)
    _parked(run, event.place)
    activity = run.instance.activities[event.place]
    planned = run.plan[activity.node]
    if not isinstance(planned.node, Called):
        raise RefusedError(f"{event.place} is no step; repair the data that it reads and retry")
    if not activity.undo:
        _require_fits(f"the output of {event.place}", event.output, run.plan.output_type(run, planned))
    run.note("skipped", event.place, f"by {event.by}")
    return [Done(event.place, event.output)]


def _repair(run: Run, event: Repaired) -> None:
    _require_going(run)
    if run.instance.status not in {"suspended", "parked"}:
        raise RefusedError("the saga is at work; suspend it first")
    for name, value in event.data.items():
        if name not in run.plan.types:
            known = ", ".join(sorted(run.plan.types))
            raise RefusedError(f"{name!r} is no name in the data of {run.instance.saga}; there are: {known}")
        _require_fits(name, value, run.plan.types[name])
    if "input" in event.data:
        run.instance.first_input = run.instance.started_with
    run.instance.data.update(event.data)
    run.note("repaired", "", f"by {event.by}: {', '.join(sorted(event.data))}")


def _require_fits(what: str, value: Any, kind: Any) -> None:
    try:
        msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise RefusedError(f"{what}: {error}") from None


def _undo_ended(run: Run, event: Undone) -> None:
    instance = run.instance
    if instance.outcome == "completed" and instance.ended and not instance.pivoted:
        instance.parent_place, instance.parent_attempt = event.place, event.attempt
        instance.phase, instance.outcome, instance.cause = "undoing", "compensated", "the saga around it was undone"
        undo_next(run)
    elif instance.parent is not None and (instance.pivoted or instance.ended):
        done = instance.ended and not instance.pivoted
        refusal = Failed(event.place, event.attempt, f"{instance.saga} is past its pivot", permanent=True)
        run.commands.append(Tell(instance.parent, Done(event.place) if done else refusal))


def _parked(run: Run, place: str | None) -> list[str]:
    parked = [each for each, activity in run.instance.activities.items() if activity.state == "parked"]
    if place is not None and place not in parked:
        raise RefusedError(f"nothing is parked at {place!r}; parked are: {', '.join(parked) or 'none'}")
    if not parked:
        raise RefusedError("nothing is parked")
    return parked if place is None else [place]


def _again(run: Run, place: str, activity: Activity) -> None:
    planned = run.plan[activity.node]
    if not (activity.undo and isinstance(planned.node, SubSaga)):  # whose send names the saga that is to be undone
        activity.base = activity.attempt
        activity.attempt += 1
    if activity.undo:
        send_undo(run, place, activity)
    elif isinstance(planned.node, Called):
        try:
            send(run, place, activity)
        except ExpressionError as error:
            fail(run, planned, activity.rounds, str(error), activity)
    else:
        del run.instance.activities[place]
        if isinstance(planned.node, Loop) and len(activity.rounds) > len(planned.loops):
            run.complete(run.plan[planned.children[0]], activity.rounds)
        elif isinstance(planned.node, Sequence):
            run.complete(planned, activity.rounds)
        else:
            run.enter(planned, activity.rounds)
