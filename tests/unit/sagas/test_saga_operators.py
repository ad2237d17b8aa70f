"""What people may do to a running saga, and what is refused."""

from __future__ import annotations

import pytest

from sagas.builder import Flow, undo
from sagas.errors import RefusedError
from sagas.machine import Cancelled, Event, Repaired, Resumed, Retried, Signalled, Skipped, Suspended
from tests.unit.sagas.scene import Scene

CANCEL = Cancelled(by="ann", reason="changed my mind")


def flow() -> Flow:
    return Flow("f").step("a", "s", output="x", undo=undo("s")).step("b", "s").wait_signal("w", "go")


def test_a_cancelled_saga_undoes_what_was_done() -> None:
    scene = Scene(flow().definition())
    scene.done("a")
    scene.happen(CANCEL)
    assert scene.status == "compensating"
    scene.done("b")
    scene.done("a:undo")
    assert (scene.status, scene.instance.cause) == ("cancelled", "changed my mind")


def test_a_cancel_that_meets_a_pivot_under_way_comes_too_late() -> None:
    scene = Scene(Flow("f").step("p", "s", pivot=True).step("b", "s").definition())
    scene.happen(CANCEL)
    scene.done("p")
    assert (scene.status, scene.sent) == ("running", ["p", "b"])


def test_a_cancel_whose_pivot_fails_ends_cancelled() -> None:
    scene = Scene(Flow("f").step("p", "s", pivot=True).step("b", "s").definition())
    scene.happen(CANCEL)
    scene.failed("p")
    assert scene.status == "cancelled"


def test_a_suspended_saga_starts_nothing_and_takes_up_what_happened_when_it_is_resumed() -> None:
    scene = Scene(flow().definition())
    scene.happen(Suspended(by="ann"))
    scene.done("a")
    scene.happen(Signalled("go"))
    assert (scene.status, scene.sent) == ("suspended", ["a"])
    scene.happen(Resumed(by="ann"))
    assert scene.sent == ["a", "b"]
    scene.done("b")
    assert scene.status == "completed"


def test_a_suspended_saga_can_be_cancelled() -> None:
    scene = Scene(flow().definition())
    scene.happen(Suspended(by="ann"))
    scene.done("a")
    scene.happen(CANCEL)
    scene.done("a:undo")
    assert scene.status == "cancelled"


def test_data_of_a_parked_saga_is_repaired_and_the_step_sent_again_with_it() -> None:
    made = Flow("f").step("a", "s", "{n: add(input.n, `1`)}").definition(on_failure="park")
    scene = Scene(made, {"n": None})
    scene.happen(Repaired(by="ann", data={"input": {"n": 1}}))
    scene.happen(Retried(by="ann"))
    assert scene.last_sent("a").payload == {"n": 2}
    assert "repaired" in scene.history()


def test_a_parked_step_is_taken_for_done_by_hand() -> None:
    scene = Scene(flow().definition(on_failure="park"))
    scene.failed("a")
    scene.happen(Skipped(by="ann", place="a", output=5))
    assert (scene.instance.data["x"], scene.sent) == (5, ["a", "b"])


def test_a_parked_step_is_not_taken_for_done_with_what_its_service_would_not_answer() -> None:
    scene = Scene(flow().definition(on_failure="park"))
    scene.plan.types["x"] = int
    scene.failed("a")
    with pytest.raises(RefusedError, match="the output of a: Expected `int`, got `str`"):
        scene.happen(Skipped(by="ann", place="a", output="five"))
    assert (scene.status, scene.sent) == ("parked", ["a"])


def ended() -> Scene:
    return Scene(Flow("f").wait_signal("w", "go", timeout_seconds=1).definition())


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Signalled("go"), "the saga has ended: it is completed"),
        (CANCEL, "the saga has ended"),
        (Suspended(by="ann"), "the saga has ended"),
        (Resumed(by="ann"), "the saga has ended"),
        (Retried(by="ann"), "the saga has ended"),
        (Repaired(by="ann", data={}), "the saga has ended"),
        (Skipped(by="ann", place="w"), "the saga has ended"),
    ],
)
def test_nothing_can_be_done_to_a_saga_that_has_ended(event: Event, reason: str) -> None:
    scene = ended()
    scene.happen(Signalled("go"))
    before = scene.history()
    with pytest.raises(RefusedError, match=reason):
        scene.happen(event)
    assert scene.history() == before


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Signalled("gone"), "waits for no signal named 'gone'; it knows: go"),
        (Resumed(by="ann"), "is not suspended"),
        (Retried(by="ann"), "nothing is parked"),
        (Skipped(by="ann", place="w"), "nothing is parked at 'w'"),
        (Repaired(by="ann", data={"input": 1}), "suspend it first"),
    ],
)
def test_what_makes_no_sense_for_a_running_saga_is_refused(event: Event, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        ended().happen(event)


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"y": 1}, "'y' is no name in the data of f; there are: input, x"), ({"input": "n"}, "input: Expected `int`")],
)
def test_a_repair_into_an_invalid_state_is_refused(data: dict[str, object], reason: str) -> None:
    scene = Scene(flow().definition(), 1)
    scene.plan.types["input"] = int
    scene.happen(Suspended(by="ann"))
    with pytest.raises(RefusedError, match=reason):
        scene.happen(Repaired(by="ann", data=data))
    assert scene.instance.data["input"] == 1


def test_what_is_past_its_pivot_or_on_its_way_back_is_not_cancelled() -> None:
    scene = Scene(Flow("f").step("p", "s", pivot=True).step("b", "s").definition())
    scene.done("p")
    with pytest.raises(RefusedError, match="past its pivot"):
        scene.happen(CANCEL)
    scene = Scene(flow().definition())
    scene.happen(CANCEL)
    with pytest.raises(RefusedError, match="being undone already"):
        scene.happen(CANCEL)


def test_more_early_signals_than_are_kept_are_refused() -> None:
    scene = Scene(flow().definition())
    for _ in range(100):
        scene.happen(Signalled("go"))
    with pytest.raises(RefusedError, match="100 signals wait"):
        scene.happen(Signalled("go"))
