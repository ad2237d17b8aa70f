"""What a failure leads to: another send, parking, or the way back.

    forward --failed for good, or cancelled--> draining --nothing runs any more--> undoing --all undone--> ended

The way back takes what was done in the reverse of the order in which it was done, one at a time, whatever branch or
round it belonged to. What may have been done, because it was not answered in time, is undone as well.
"""

from __future__ import annotations

from sagas.definition import Retry, Step, SubSaga
from sagas.errors import ExpressionError
from sagas.machine.commands import Finish, Outcome, Send, Tell
from sagas.machine.events import Cancelled, Done, Failed, Undone
from sagas.machine.run import Run
from sagas.machine.state import Activity
from sagas.plan import UNDO, PlanNode, Rounds

ONCE = Retry()


def attempt_failed(run: Run, place: str, activity: Activity, error: str, *, permanent: bool) -> None:
    """A send came to nothing."""
    planned = run.plan[activity.node]
    activity.error = error
    retry = _retry_of(planned, undo=activity.undo)
    if run.instance.phase == "draining":
        _drained(run, place, activity)
    elif permanent or activity.attempt - activity.base >= retry.attempts:
        fail(run, planned, activity.rounds, error, activity)
    else:
        activity.state = "pausing"
        pause = retry.pause(activity.attempt - activity.base)
        run.note("failed", place, f"send {activity.attempt}, again in {pause:g} s: {error}")
        run.wake(place, activity, run.now + pause)


def fail(run: Run, planned: PlanNode, rounds: Rounds, error: str, activity: Activity | None = None) -> None:
    """A node has failed for good."""
    instance = run.instance
    place = planned.place(rounds)
    if activity is None:
        activity = Activity(planned.id, rounds, "parked")
    if activity.undo or instance.pivoted or run.plan.definition.on_failure == "park":
        place += UNDO if activity.undo else ""
        activity.state, activity.error, activity.due_at, activity.timer = "parked", error, None, 0
        instance.activities[place] = activity
        run.note("parked", place, error)
        return
    run.note("failed", place, error)
    instance.activities.pop(place, None)
    if activity.unsure:
        run.may_be_undone(planned, activity)
    if not run.plan.catches(run, planned, error):
        turn_back(run, "compensated", f"{place}: {error}")


def turn_back(run: Run, outcome: Outcome, cause: str | None) -> None:
    """Go no further, and undo what was done once nothing runs any more."""
    instance = run.instance
    instance.phase, instance.outcome, instance.cause = "draining", outcome, cause
    run.todo.clear()
    for place, activity in list(instance.activities.items()):
        if activity.state != "sent":
            _forget(run, place, activity)
        elif isinstance(run.plan[activity.node].node, SubSaga):
            reason = f"{instance.saga} turned back"
            run.commands.append(Tell(run.child_id(place, activity.attempt), Cancelled(by="saga", reason=reason)))
    settle(run)


def settle(run: Run) -> None:
    """Begin to undo once nothing runs any more."""
    if run.instance.phase == "draining" and not run.instance.activities:
        run.instance.phase = "undoing"
        run.instance.frames.clear()
        undo_next(run)


def undo_next(run: Run) -> None:
    """Undo what was done last, or end where nothing is left."""
    instance = run.instance
    if not instance.undoables:
        assert instance.outcome is not None, "the way back has an outcome from its beginning"
        end(run, instance.outcome)
        return
    undoable = instance.undoables.pop()
    activity = Activity(undoable.node, undoable.rounds, "sent", attempt=undoable.attempt, undo=True)
    planned = run.plan[undoable.node]
    place = planned.place(undoable.rounds) + UNDO
    instance.activities[place] = activity
    if isinstance(planned.node, Step):
        activity.attempt = 1
    run.note("undo", place, "it may have been done" if undoable.unsure else "")
    send_undo(run, place, activity)


def send_undo(run: Run, place: str, activity: Activity) -> None:
    """Have a node undone; also once more."""
    planned = run.plan[activity.node]
    activity.state, activity.error, activity.due_at, activity.timer = "sent", None, None, 0
    if isinstance(planned.node, SubSaga):
        undone = Undone(place, activity.attempt, run.instance.id)
        run.commands.append(Tell(run.child_id(place, activity.attempt), undone))
        return
    try:
        compensation = run.plan.compensation(run, planned)
        payload = run.message_of(planned, activity.rounds, compensation)
        key = run.key_of(planned, activity.rounds, compensation)
    except ExpressionError as error:
        fail(run, planned, activity.rounds, str(error), activity)
        return
    unique = run.idempotency_key(place)
    run.commands.append(Send(place, activity.attempt, compensation.service, compensation.message, payload, key, unique))


def end(run: Run, outcome: Outcome) -> None:
    """The saga has ended: say so, and to the saga around it."""
    instance = run.instance
    instance.phase, instance.outcome = "ended", outcome
    instance.frames.clear()
    run.note(outcome, "", instance.cause or "")
    run.commands.append(Finish(outcome))
    if instance.parent is None:
        instance.undoables.clear()
        return
    report: Done | Failed
    if outcome == "completed":
        report = Done(instance.parent_place, instance.result, instance.pivoted)
    elif instance.parent_place.endswith(UNDO):
        report = Done(instance.parent_place)
    else:
        reason = f"{instance.saga} was {outcome}: {instance.cause}"
        report = Failed(instance.parent_place, instance.parent_attempt, reason, permanent=True)
    run.commands.append(Tell(instance.parent, report))


def _drained(run: Run, place: str, activity: Activity) -> None:
    run.note("failed", place, activity.error or "")
    _forget(run, place, activity)
    settle(run)


def _forget(run: Run, place: str, activity: Activity) -> None:
    del run.instance.activities[place]
    if activity.unsure:
        run.may_be_undone(run.plan[activity.node], activity)


def _retry_of(planned: PlanNode, *, undo: bool) -> Retry:
    if not isinstance(planned.node, Step):
        return ONCE
    if undo and planned.node.compensation is not None:
        return planned.node.compensation.retry
    return planned.node.retry
