"""The way back, retries, time limits, and what waits for a person."""

from __future__ import annotations

from sagas.builder import Flow, undo
from sagas.definition import Retry
from sagas.machine import Cancelled, Discard, Done, Failed, Retried, Tell, Undone
from tests.records import new_id
from tests.unit.sagas.scene import Scene

RETRIED = Retry(attempts=3, initial_seconds=1.0, factor=2.0)


def three() -> Flow:
    return Flow("f").step("a", "s", undo=undo("s")).step("b", "s", undo=undo("s", "{why: saga.id}")).step("c", "s")


def test_what_was_done_is_undone_in_reverse_order() -> None:
    scene = Scene(three().definition())
    scene.done("a")
    scene.done("b")
    scene.failed("c")
    assert scene.status == "compensating"
    assert scene.last_sent("b:undo").payload == {"why": "i"}
    scene.done("b:undo")
    scene.done("a:undo")
    assert scene.sent == ["a", "b", "c", "b:undo", "a:undo"]
    assert (scene.status, scene.instance.cause) == ("compensated", "c: broken")


def test_a_branch_that_fails_waits_for_the_others_and_then_undoes_in_reverse_order_of_completion() -> None:
    flow = Flow("f").parallel(
        "both",
        Flow("l").step("a", "s", undo=undo("s")).step("x", "s"),
        Flow("r").step("b", "s", undo=undo("s")).step("y", "s"),
        Flow("w").wait_signal("never", "n"),
    )
    scene = Scene(flow.definition())
    scene.done("a")
    scene.failed("x")
    assert scene.status == "compensating"
    assert "a:undo" not in scene.sent
    scene.done("b")
    assert "y" not in scene.sent
    scene.done("b:undo")
    scene.done("a:undo")
    assert scene.sent[-2:] == ["b:undo", "a:undo"]
    assert scene.status == "compensated"


def test_a_step_is_sent_as_often_as_its_retry_says_with_growing_pauses() -> None:
    scene = Scene(Flow("f").step("a", "s", retry=RETRIED).definition())
    for pause in (1.0, 2.0):
        scene.failed("a")
        assert scene.instance.activities["a"].due_at == scene.now + pause
        scene.pass_time(pause)
    scene.failed("a")
    assert (scene.status, scene.sent) == ("compensated", ["a", "a", "a"])


def test_the_dead_letters_of_a_step_that_is_done_after_all_are_given_up() -> None:
    scene = Scene(Flow("f").step("a", "s", retry=RETRIED, timeout_seconds=10).step("b", "s").definition())
    letters = new_id(), new_id()
    scene.happen(Failed("a", 1, "broken", letter=letters[0]))
    scene.pass_time(1)
    scene.pass_time(10)
    scene.pass_time(2)
    scene.happen(Failed("a", 2, "broken, after it was not answered in time", letter=letters[1]))
    assert not [each for each in scene.commands if isinstance(each, Discard)]
    scene.done("a")
    scene.happen(Failed("b", 1, "broken", letter=new_id()))
    assert [each for each in scene.commands if isinstance(each, Discard)] == [Discard("a", letters)]


def test_a_permanent_failure_is_not_sent_again() -> None:
    scene = Scene(Flow("f").step("a", "s", retry=RETRIED).definition())
    scene.failed("a", permanent=True)
    assert scene.status == "compensated"


def test_a_step_that_is_not_answered_in_time_is_sent_again_and_its_late_answer_counts() -> None:
    scene = Scene(Flow("f").step("a", "s", retry=RETRIED, timeout_seconds=10).step("b", "s").definition())
    scene.pass_time(10)
    scene.pass_time(1)
    assert scene.sent == ["a", "a"]
    scene.happen(Failed("a", 1, "too late to matter"))
    scene.done("a")
    assert scene.sent == ["a", "a", "b"]


def test_a_step_that_was_never_answered_is_undone_as_it_may_have_been_done() -> None:
    scene = Scene(Flow("f").step("a", "s", timeout_seconds=10, undo=undo("s")).definition())
    scene.pass_time(10)
    scene.done("a:undo")
    assert (scene.status, scene.instance.cause) == ("compensated", "a: no answer within 10 s")


def test_what_cannot_be_undone_is_tried_again_and_then_parked_for_a_person() -> None:
    scene = Scene(Flow("f").step("a", "s", undo=undo("s", retry=RETRIED)).step("b", "s").definition())
    scene.done("a")
    scene.failed("b")
    for pause in (1.0, 2.0):
        scene.failed("a:undo")
        scene.pass_time(pause)
    scene.failed("a:undo")
    assert scene.status == "parked"
    scene.happen(Retried(by="ann"))
    scene.done("a:undo")
    assert scene.status == "compensated"


def test_a_replayed_dead_letter_of_a_parked_undo_ends_it() -> None:
    scene = Scene(Flow("f").step("a", "s", undo=undo("s", retry=Retry())).step("b", "s").definition())
    scene.done("a")
    scene.failed("b")
    scene.failed("a:undo")
    scene.done("a:undo")
    assert scene.status == "compensated"


def test_after_the_pivot_a_failure_is_parked_instead_of_undone() -> None:
    flow = Flow("f").step("a", "s", undo=undo("s")).step("p", "s", pivot=True).step("b", "s")
    scene = Scene(flow.definition())
    for place in ("a", "p"):
        scene.done(place)
    scene.failed("b")
    assert scene.status == "parked"
    scene.happen(Retried(by="ann"))
    scene.done("b")
    assert scene.status == "completed"


def test_a_saga_that_parks_on_failure_goes_on_from_the_failed_step() -> None:
    scene = Scene(three().definition(on_failure="park"))
    scene.done("a")
    scene.failed("b")
    assert scene.status == "parked"
    scene.happen(Retried(by="ann", place="b"))
    scene.done("b")
    scene.done("c")
    assert scene.status == "completed"


def test_a_wrong_mapping_fails_its_step_and_names_the_expression() -> None:
    scene = Scene(Flow("f").step("a", "s", "{n: add(input.n, `1`)}").definition(), {"n": "x"})
    assert scene.status == "compensated"
    assert scene.instance.cause is not None
    assert scene.instance.cause.startswith("a: In function add(), invalid type for value: x")
    assert "in the expression '{n: add(input.n, `1`)}'" in scene.instance.cause


def test_a_wrong_mapping_of_an_undo_is_parked() -> None:
    flow = Flow("f").step("a", "s", undo=undo("s", "input.x")).step("b", "s")
    scene = Scene(flow.definition(), {})
    scene.done("a")
    scene.failed("b")
    assert scene.status == "parked"
    assert "not an object" in str(scene.instance.activities["a:undo"].error)


def test_the_rounds_of_a_loop_are_undone_with_the_items_they_had() -> None:
    body = Flow("b").step("a", "s", output="made", undo=undo("s", "{item: item, made: made}"))
    scene = Scene(Flow("f").each("e", "input", body).step("z", "s").definition(), ["x", "y"])
    scene.done("a[0]", 10)
    scene.done("a[1]", 11)
    scene.failed("z")
    assert scene.last_sent("a[1]:undo").payload == {"item": "y", "made": 11}
    scene.done("a[1]:undo")
    assert scene.last_sent("a[0]:undo").payload == {"item": "x", "made": 10}


def test_a_saga_inside_one_that_turns_back_is_cancelled_while_it_runs_and_undone_when_it_has_ended() -> None:
    flow = Flow("f").saga("one", "child").parallel("both", Flow("l").saga("two", "child"), Flow("r").step("b", "s"))
    scene = Scene(flow.definition())
    scene.done("one")
    scene.failed("b")
    [cancel] = scene.told
    assert isinstance(cancel.event, Cancelled)
    scene.failed("two", permanent=True)
    undone = scene.told[-1].event
    assert isinstance(undone, Undone)
    scene.done(undone.place)
    assert scene.status == "compensated"


def test_a_saga_that_has_ended_is_undone_for_the_one_around_it() -> None:
    scene = Scene(Flow("f").step("a", "s", undo=undo("s")).definition(), parent=("p", "pay", 1))
    scene.done("a")
    assert scene.told == [Tell("p", Done("pay"))]
    scene.happen(Undone("pay:undo", 1, "p"))
    scene.done("a:undo")
    assert scene.status == "compensated"
    assert scene.told[-1] == Tell("p", Done("pay:undo"))


def test_a_saga_past_its_pivot_says_that_it_cannot_be_undone() -> None:
    scene = Scene(Flow("f").step("a", "s", pivot=True).definition(), parent=("p", "pay", 1))
    scene.done("a")
    assert scene.told == [Tell("p", Done("pay", pivoted=True))]
    scene.happen(Undone("pay:undo", 1, "p"))
    assert scene.status == "completed"
    assert scene.told[-1] == Tell("p", Failed("pay:undo", 1, "f is past its pivot", permanent=True))


def test_a_saga_that_failed_tells_the_one_around_it_why() -> None:
    scene = Scene(Flow("f").step("a", "s").definition(), parent=("p", "pay", 2))
    scene.failed("a")
    assert scene.told == [Tell("p", Failed("pay", 2, "f was compensated: a: broken", permanent=True))]


def test_what_cannot_be_collected_is_parked_and_collected_after_a_repair() -> None:
    body = Flow("b").step("a", "s", output="made")
    flow = Flow("f").each("e", "input.items", body, collect="add(made, input.more)", output="all")
    scene = Scene(flow.definition(on_failure="park", result="all"), {"items": [1], "more": None})
    scene.done("a[0]", 1)
    assert list(scene.instance.activities) == ["e[0]"]
    scene.instance.data["input"]["more"] = 2
    scene.happen(Retried(by="ann"))
    assert scene.instance.result == [3]


def test_a_result_that_cannot_be_made_is_parked_and_made_after_a_repair() -> None:
    scene = Scene(Flow("f").definition(on_failure="park", result="add(input, `1`)"))
    assert scene.status == "parked"
    scene.instance.data["input"] = 1
    scene.happen(Retried(by="ann"))
    assert scene.instance.result == 2
