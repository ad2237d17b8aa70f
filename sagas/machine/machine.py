"""The machine of one saga: an event in, commands out. Pure: it waits for nothing, and time comes in as an argument.

    begin -> forward -> ended (completed)
                |
                +----> draining -> undoing -> ended (compensated, or cancelled)

Beside it a saga may be suspended, which keeps what happens for later, and any node of it may be parked, which waits
for a person. See `sagas.machine.failing` for the way back.
"""

from __future__ import annotations

from typing import Any

from sagas.definition import Called
from sagas.errors import ExpressionError
from sagas.machine.commands import Command, Discard
from sagas.machine.events import Done, Due, Event, Failed, Signalled, WorldEvent
from sagas.machine.failing import attempt_failed, fail, send_undo, settle, undo_next
from sagas.machine.forward import send, work_off
from sagas.machine.operator import operate, require_signal
from sagas.machine.run import Run
from sagas.machine.state import Activity, Instance
from sagas.plan import Plan


def begin(
    plan: Plan,
    given: Any,
    *,
    instance_id: str,
    version: int,
    tenant: str,
    by: str,
    now: float,
    parent: tuple[str, str, int] | None = None,
) -> tuple[Instance, list[Command]]:
    """A new instance and its first commands. `parent` is the id, place and send of the saga around it."""
    name = plan.definition.name
    about = {"id": instance_id, "tenant": tenant, "started_at": now}
    instance = Instance(
        id=instance_id,
        saga=name,
        version=version,
        tenant=tenant,
        started_at=now,
        started_by=by,
        data={"input": given, "saga": about},
    )
    if parent is not None:
        instance.parent, instance.parent_place, instance.parent_attempt = parent
    instance.note(now, "started", "", f"by {by}")
    run = Run(plan, instance, now)
    run.plan.start(run)
    work_off(run)
    return instance, run.commands


def handle(plan: Plan, instance: Instance, event: Event, now: float) -> list[Command]:
    """Take an event in and return what is to be done. `instance` is changed in place.

    What comes too late, such as a second answer, changes nothing.

    Raises:
        RefusedError: what a person asks for is impossible now; nothing was changed.
    """
    run = Run(plan, instance, now)
    if not isinstance(event, WorldEvent):
        for following in operate(run, event):
            _happen(run, following)
        return run.commands
    if type(event) is Signalled:
        require_signal(run, event)
    if instance.suspended:
        instance.held.append(event)
    else:
        _happen(run, event)
    return run.commands


def _happen(run: Run, event: Event) -> None:
    match event:
        case Done():
            _done(run, event)
        case Failed():
            _failed(run, event)
        case Due():
            _due(run, event)
        case Signalled():
            _signalled(run, event)
        case _:
            raise AssertionError(f"not an event of the world: {event}")
    work_off(run)


def _done(run: Run, event: Done) -> None:
    instance = run.instance
    activity = instance.activities.get(event.place)
    if activity is None or activity.state == "waiting":
        return
    del instance.activities[event.place]
    if activity.letters:
        run.commands.append(Discard(event.place, activity.letters))
    if activity.undo:
        run.note("undone", event.place)
        undo_next(run)
        return
    planned = run.plan[activity.node]
    if not isinstance(planned.node, Called):
        instance.activities[event.place] = activity
        return
    run.note("done", event.place)
    run.write(planned, activity.rounds, event.output)
    activity.unsure = False
    run.may_be_undone(planned, activity)
    if event.pivoted or getattr(planned.node, "pivot", False):
        instance.pivoted = True
    if instance.phase == "draining" and instance.pivoted and not planned.beside:
        instance.phase, instance.outcome, instance.cause = "forward", None, None
        run.note("cancel came too late", event.place, "the pivot is done")
    if instance.phase == "draining":
        settle(run)
    else:
        run.complete(planned, activity.rounds)


def _failed(run: Run, event: Failed) -> None:
    activity = run.instance.activities.get(event.place)
    if activity is not None and event.letter is not None:
        activity.letters = (*activity.letters, event.letter)
    if activity is not None and activity.state == "sent" and activity.attempt == event.attempt:
        attempt_failed(run, event.place, activity, event.error, permanent=event.permanent)


def _due(run: Run, event: Due) -> None:
    activity = run.instance.activities.get(event.place)
    if activity is None or activity.timer != event.timer or activity.due_at is None:
        return
    if run.now < activity.due_at:
        run.wake(event.place, activity, activity.due_at)
        return
    planned = run.plan[activity.node]
    if activity.state == "pausing":
        _send_again(run, event.place, activity)
    elif activity.state == "sent":
        activity.unsure = True
        limit = planned.node.timeout_seconds
        attempt_failed(run, event.place, activity, f"no answer within {limit:g} s", permanent=False)
    else:
        del run.instance.activities[event.place]
        if hasattr(planned.node, "signal"):
            limit = planned.node.timeout_seconds
            fail(run, planned, activity.rounds, f"the signal {planned.node.signal} has not come within {limit:g} s")
        else:
            run.note("woke", event.place)
            run.complete(planned, activity.rounds)


def _send_again(run: Run, place: str, activity: Activity) -> None:
    activity.attempt += 1
    if activity.undo:
        send_undo(run, place, activity)
        return
    try:
        send(run, place, activity)
    except ExpressionError as error:
        fail(run, run.plan[activity.node], activity.rounds, str(error), activity)


def _signalled(run: Run, event: Signalled) -> None:
    instance = run.instance
    for place, activity in instance.activities.items():
        planned = run.plan[activity.node]
        if activity.state == "waiting" and getattr(planned.node, "signal", None) == event.signal:
            del instance.activities[place]
            run.note("signalled", place, f"by {event.by}" if event.by else "")
            run.write(planned, activity.rounds, event.payload)
            run.complete(planned, activity.rounds)
            return
    instance.signals.setdefault(event.signal, []).append(event.payload)
    run.note("signal kept", "", event.signal)
