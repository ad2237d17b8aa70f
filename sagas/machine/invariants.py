"""What holds of every saga between two events. For tests, and for whoever repairs one."""

from __future__ import annotations

from sagas.definition import Choice, Loop, Parallel, Step, SubSaga
from sagas.machine.state import Activity, Frame, Instance
from sagas.plan import UNDO, Plan, PlanNode


def validate(plan: Plan, instance: Instance) -> None:
    """Raises AssertionError where the state contradicts itself."""
    plan = plan.bound(instance)
    for place, activity in instance.activities.items():
        _validate_activity(plan, instance, place, activity)
    assert instance.suspended or not instance.held, "events are held only while it is suspended"
    match instance.phase:
        case "forward":
            assert instance.activities, "a saga that goes forward has something that it waits for"
            assert instance.outcome is None, "it has no outcome yet"
            if not plan.is_code:
                _validate_frames(plan, instance)
        case "draining":
            assert instance.activities, "something still runs, or the undoing had begun"
            states = {activity.state for activity in instance.activities.values()}
            assert states == {"sent"}, "only what runs is waited for"
        case "undoing":
            assert len(instance.activities) == 1, "one thing at a time is undone"
            assert not instance.frames, "nothing goes forward"
        case "ended":
            assert instance.outcome is not None, "an end has an outcome"
            assert not instance.activities, "nothing is left to be done"
            assert not instance.frames, "nothing goes forward"
            assert not instance.suspended, "nothing is held up"


def _validate_activity(plan: Plan, instance: Instance, place: str, activity: Activity) -> None:
    planned = plan[activity.node]
    assert place == planned.place(activity.rounds) + (UNDO if activity.undo else ""), f"{place} is another's place"
    assert activity.timer <= instance.timers, "timers are numbered"
    assert activity.attempt > activity.base or activity.state == "parked", "a send counts from the last retry"
    if activity.state in {"sent", "pausing"}:
        assert isinstance(planned.node, Step | SubSaga), "only steps are sent"
    if activity.state == "pausing":
        assert activity.due_at is not None, "a pause ends"
    if activity.undo:
        assert instance.phase == "undoing", "only the way back undoes"


def _validate_frames(plan: Plan, instance: Instance) -> None:
    below: dict[str, int] = {}
    places = [(plan[activity.node], activity.rounds) for activity in instance.activities.values()]
    places += [(planned, rounds) for planned, rounds, _ in _frames(plan, instance)]
    for planned, rounds in places:
        around = _frame_around(plan, planned)
        if around is not None and len(rounds) == len(planned.loops):
            place = around.place(rounds[: len(around.loops)])
            assert place in instance.frames, f"{planned.node.name} runs in {place}, which does not"
            below[place] = below.get(place, 0) + 1
    for planned, rounds, frame in _frames(plan, instance):
        place = planned.place(rounds)
        expected = frame.running if isinstance(planned.node, Parallel | Loop) else 1
        stuck = sum(1 for activity in instance.activities.values() if _is_round_of(planned, rounds, activity))
        assert below.get(place, 0) + stuck == expected, f"{place} waits for {expected}, and {below.get(place, 0)} run"


def _is_round_of(planned: PlanNode, rounds: tuple[int, ...], activity: Activity) -> bool:
    """Whether an activity is the end of a round of a loop that could not be collected."""
    return activity.node == planned.id and len(activity.rounds) == len(rounds) + 1 and activity.rounds[:-1] == rounds


def _frames(plan: Plan, instance: Instance) -> list[tuple[PlanNode, tuple[int, ...], Frame]]:
    found = []
    for place, frame in instance.frames.items():
        name, *numbers = place.replace("]", "").split("[")
        found.append((plan.by_name[name], tuple(map(int, numbers)), frame))
    return found


def _frame_around(plan: Plan, planned: PlanNode) -> PlanNode | None:
    """The nearest node around one that keeps a frame: all but choices do."""
    parent = planned.parent
    while parent is not None and isinstance(plan[parent].node, Choice):
        parent = plan[parent].parent
    return None if parent is None else plan[parent]
