"""The way forward: entering nodes, and what follows when one has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagas.definition import Choice, Loop, Parallel, Sequence, Step, SubSaga, WaitSignal, WaitTime
from sagas.errors import ExpressionError
from sagas.expressions import expression
from sagas.machine.commands import Send, StartChild
from sagas.machine.failing import end, fail
from sagas.machine.run import Run
from sagas.machine.state import Activity, Frame
from sagas.plan import Code, PlanNode, Rounds

MAX_ITEMS = 10_000
MAX_WAIT_SECONDS = 10 * 366 * 86_400.0


def work_off(run: Run) -> None:
    """Do what is to do, until the saga waits for the world or has ended."""
    while run.todo:
        what, planned, rounds = run.todo.popleft()
        try:
            if what == "enter":
                _ENTER[type(planned.node)](run, planned, rounds)
            else:
                complete(run, planned, rounds)
        except ExpressionError as error:
            _blame(run, planned, what, rounds, str(error))


def complete(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    """Go on after a node that has ended well. Raises ExpressionError."""
    if planned.parent is None:
        _finish(run)
        return
    parent = run.plan[planned.parent]
    match parent.node:
        case Sequence():
            _next_in_sequence(run, parent, rounds)
        case Parallel():
            _branch_done(run, parent, rounds)
        case Loop():
            _round_done(run, parent, planned, rounds)
        case Code():
            run.plan.resume(run, planned)
        case _:
            run.complete(parent, rounds)


def send(run: Run, place: str, activity: Activity) -> None:
    """Send a step or start a saga inside; also once more. Raises ExpressionError."""
    planned = run.plan[activity.node]
    node = planned.node
    activity.state, activity.error, activity.due_at, activity.timer = "sent", None, None, 0
    if isinstance(node, Step):
        payload = run.message_of(planned, activity.rounds, node)
        key = run.key_of(planned, activity.rounds, node)
        unique = run.idempotency_key(place)
        run.commands.append(Send(place, activity.attempt, node.service, node.message, payload, key, unique))
        if node.timeout_seconds is not None:
            run.wake(place, activity, run.now + node.timeout_seconds)
    else:
        given = expression(node.input).evaluate(run.data(planned, activity.rounds))
        child = run.child_id(place, activity.attempt)
        run.commands.append(StartChild(place, activity.attempt, node.saga, given, child))
    run.note("sent", place, f"send {activity.attempt}" if activity.attempt > 1 else "")


def _enter_step(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    place = planned.place(rounds)
    activity = run.instance.activities[place] = Activity(planned.id, rounds, "sent")
    send(run, place, activity)


def _enter_sequence(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    run.instance.frames[planned.place(rounds)] = Frame()
    _next_in_sequence(run, planned, rounds)


def _next_in_sequence(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    place = planned.place(rounds)
    frame = run.instance.frames[place]
    if frame.next == len(planned.children):
        del run.instance.frames[place]
        run.complete(planned, rounds)
        return
    frame.next += 1
    run.enter(run.plan[planned.children[frame.next - 1]], rounds)


def _enter_parallel(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    if not planned.children:
        run.complete(planned, rounds)
        return
    run.instance.frames[planned.place(rounds)] = Frame(running=len(planned.children))
    for child in planned.children:
        run.enter(run.plan[child], rounds)


def _branch_done(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    frame = run.instance.frames[planned.place(rounds)]
    frame.running -= 1
    if frame.running == 0:
        del run.instance.frames[planned.place(rounds)]
        run.complete(planned, rounds)


def _enter_choice(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    data = run.data(planned, rounds)
    node: Choice = planned.node
    taken = next((number for number, case in enumerate(node.cases) if expression(case.when).decide(data)), None)
    if taken is None and node.otherwise is not None:
        taken = len(node.cases)
    run.note(
        "chosen", planned.place(rounds), "nothing" if taken is None else run.plan[planned.children[taken]].node.name
    )
    if taken is None:
        run.complete(planned, rounds)
    else:
        run.enter(run.plan[planned.children[taken]], rounds)


def _enter_loop(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    node: Loop = planned.node
    items = expression(node.over).evaluate(run.data(planned, rounds))
    if not isinstance(items, list):
        raise ExpressionError(node.over, "the answer is no list to loop over")
    if len(items) > MAX_ITEMS:
        raise ExpressionError(node.over, f"{len(items):,} items, where {MAX_ITEMS:,} are the limit,")
    run.instance.frames[planned.place(rounds)] = Frame(items=items)
    _fill_loop(run, planned, rounds)


def _fill_loop(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    place = planned.place(rounds)
    frame = run.instance.frames[place]
    node: Loop = planned.node
    while frame.running < node.at_once and frame.next < len(frame.items):
        number = frame.next
        frame.next, frame.running = number + 1, frame.running + 1
        run.instance.scopes[f"{place}[{number}]"] = {node.item: frame.items[number], "index": number}
        run.enter(run.plan[planned.children[0]], (*rounds, number))
    if frame.running == 0:
        del run.instance.frames[place]
        if node.collect is not None:
            run.write(planned, rounds, [frame.values[number] for number in range(len(frame.items))])
        run.complete(planned, rounds)


def _round_done(run: Run, planned: PlanNode, body: PlanNode, rounds: Rounds) -> None:
    outer = rounds[: len(planned.loops)]
    frame = run.instance.frames[planned.place(outer)]
    if planned.node.collect is not None:
        frame.values[rounds[-1]] = expression(planned.node.collect).evaluate(run.data(body, rounds))
    if not planned.undoable:
        run.instance.scopes.pop(planned.place(rounds), None)
    frame.running -= 1
    _fill_loop(run, planned, outer)


def _enter_wait_signal(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    node: WaitSignal = planned.node
    kept = run.instance.signals.get(node.signal)
    place = planned.place(rounds)
    if kept:
        payload = kept.pop(0)
        if not kept:
            del run.instance.signals[node.signal]
        run.note("signalled", place, "it had come before")
        _went_well(run, planned, rounds, payload)
        return
    activity = run.instance.activities[place] = Activity(planned.id, rounds, "waiting")
    run.note("waits", place, f"for the signal {node.signal}")
    if node.timeout_seconds is not None:
        run.wake(place, activity, run.now + node.timeout_seconds)


def _enter_wait_time(run: Run, planned: PlanNode, rounds: Rounds) -> None:
    node: WaitTime = planned.node
    if node.until is None:
        assert node.seconds is not None, "the plan is checked"
        due_at = run.now + node.seconds
    else:
        due_at = expression(node.until).evaluate(run.data(planned, rounds))
        if isinstance(due_at, bool) or not isinstance(due_at, int | float):
            raise ExpressionError(node.until, "the answer is no time in seconds since 1970")
    if due_at > run.now + MAX_WAIT_SECONDS:
        raise ExpressionError(node.until or "", "the answer is a time more than ten years ahead")
    if due_at <= run.now:
        run.complete(planned, rounds)
        return
    place = planned.place(rounds)
    activity = run.instance.activities[place] = Activity(planned.id, rounds, "waiting")
    run.note("waits", place, f"until {due_at:.3f}")
    run.wake(place, activity, due_at)


def _went_well(run: Run, planned: PlanNode, rounds: Rounds, output: Any) -> None:
    run.write(planned, rounds, output)
    run.complete(planned, rounds)


def _finish(run: Run) -> None:
    instance = run.instance
    result = run.plan.definition.result
    if result is not None:
        instance.result = expression(result).evaluate(instance.data)
    end(run, "completed")


def _blame(run: Run, planned: PlanNode, what: str, rounds: Rounds, error: str) -> None:
    """Fail the node whose expression it was: of one that has ended, the loop around it, or the saga's own result."""
    if what == "complete" and planned.parent is not None:
        planned = run.plan[planned.parent]
    fail(run, planned, rounds, error, run.instance.activities.get(planned.place(rounds)))


def _enter_code(run: Run, _planned: PlanNode, _rounds: Rounds) -> None:
    run.plan.start(run)


_ENTER: dict[type, Callable[[Run, PlanNode, Rounds], None]] = {
    Sequence: _enter_sequence,
    Parallel: _enter_parallel,
    Choice: _enter_choice,
    Loop: _enter_loop,
    Step: _enter_step,
    SubSaga: _enter_step,
    WaitSignal: _enter_wait_signal,
    WaitTime: _enter_wait_time,
    Code: _enter_code,
}
"""How each kind of node begins. A table, as a check of a struct's class is dear where it is another class."""
