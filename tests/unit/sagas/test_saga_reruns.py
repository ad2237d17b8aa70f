"""Which steps of a saga may be sent again by hand."""

from __future__ import annotations

import msgspec
import pytest

from actors import Finalizer
from runtime.definition import Rerun
from runtime.store.records import StoredState
from sagas.builder import Flow, undo
from sagas.coordinator import SagaState
from sagas.machine import Cancelled
from sagas.reruns import refuse_rerun
from tests.records import NOW, make_event
from tests.unit.sagas.scene import Scene

KEPT_NO_MORE = "the saga i is no longer kept, and nothing waits for a"


def refusal(scene: Scene | None, place: str, *, completed: bool = False) -> str | None:
    state = None
    if scene is not None:
        payload = msgspec.json.encode(SagaState(scene.instance))
        state = StoredState(service="sagas", tenant="t", key="i", version=1, payload=payload, saved_at=NOW)
    finalizer = Finalizer(service="sagas", key="i", context=[place, 1])
    return refuse_rerun(Rerun(make_event(), finalizer, state, completed=completed))


def flow() -> Flow:
    return Flow("f").step("a", "s", undo=undo("s")).step("b", "s", undo=undo("s")).step("c", "s")


def test_a_failed_step_may_run_again_while_its_saga_waits_for_it() -> None:
    scene = Scene(flow().definition(on_failure="park"))
    scene.failed("a")
    assert (scene.status, refusal(scene, "a")) == ("parked", None)


def test_a_failed_send_of_a_step_that_was_done_by_another_may_not() -> None:
    scene = Scene(flow().definition())
    scene.done("a")
    assert refusal(scene, "a") == "the saga i is running and waits for a no more"
    assert refusal(scene, "a", completed=True) is None, "its effect is wanted anew"


@pytest.mark.parametrize("completed", [True, False])
def test_no_step_may_run_again_once_its_saga_goes_back(completed: bool) -> None:  # noqa: FBT001 # a parameter of pytest
    scene = Scene(flow().definition())
    scene.done("a")
    scene.done("b")
    scene.happen(Cancelled(by="ann"))
    scene.failed("c")
    scene.failed("b:undo", permanent=True)
    assert (scene.status, refusal(scene, "b:undo")) == ("parked", None)
    assert refusal(scene, "a", completed=completed) == "the saga i is parked and waits for a no more"
    scene.done("b:undo")
    scene.done("a:undo")
    assert refusal(scene, "c", completed=completed) == "the saga i is cancelled and waits for c no more"


def test_an_undo_that_was_done_may_run_again_and_a_failed_send_of_it_may_not() -> None:
    scene = Scene(flow().definition())
    scene.done("a")
    scene.failed("b")
    scene.done("a:undo")
    assert refusal(scene, "a:undo", completed=True) is None
    assert refusal(scene, "a:undo") == "the saga i is compensated and waits for a:undo no more"


def test_what_failed_for_a_saga_that_is_no_longer_kept_may_not_run_again() -> None:
    assert refusal(None, "a") == KEPT_NO_MORE
    assert refusal(None, "a", completed=True) is None
