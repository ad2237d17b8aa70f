"""The way forward."""

from __future__ import annotations

from sagas.builder import Flow
from sagas.definition import Retry
from sagas.machine import Due, Send, Signalled, Wake, begin
from sagas.plan import Plan
from tests.unit.sagas.scene import Scene


def test_steps_run_one_after_another_and_give_their_outputs_on() -> None:
    flow = Flow("order").step("save", "orders", "{n: input.n}", output="saved").step("ship", "van", "{id: saved.id}")
    scene = Scene(flow.definition(result="{shipped: saved.id}"), {"n": 3})
    assert scene.last_sent("save").payload == {"n": 3}
    scene.done("save", {"id": 7})
    assert scene.last_sent("ship").payload == {"id": 7}
    scene.done("ship")
    assert (scene.status, scene.instance.result) == ("completed", {"shipped": 7})


def test_a_step_is_told_a_key_that_every_send_of_it_shares() -> None:
    scene = Scene(Flow("f").step("a", "s", retry=Retry(attempts=2)).definition())
    first = scene.last_sent("a")
    scene.failed("a")
    scene.pass_time(1.0)
    second = scene.last_sent("a")
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.idempotency_key == second.idempotency_key == "t/i/a"


def test_the_keys_of_two_tenants_with_sagas_of_one_id_differ() -> None:
    definition = Flow("f").step("a", "s").definition()
    names = [("t", "i"), ("u", "i"), ("t/i", "j"), ("t", "i/j"), ("t%2Fi", "j")]
    instances = [
        begin(Plan(definition), {}, instance_id=name, version=1, tenant=tenant, by="ann", now=0.0)
        for tenant, name in names
    ]
    keys = [command.idempotency_key for _, commands in instances for command in commands if isinstance(command, Send)]
    assert len(set(keys)) == len(names)


def test_config_sets_fields_that_the_mapping_may_override() -> None:
    scene = Scene(Flow("f").step("a", "s", "{x: input.x}", config={"x": 1, "y": 2}).definition(), {"x": 3})
    assert scene.last_sent("a").payload == {"x": 3, "y": 2}


def test_branches_run_at_once_and_join() -> None:
    flow = Flow("f").parallel("both", Flow("l").step("a", "s"), Flow("r").step("b", "s").step("c", "s")).step("d", "s")
    scene = Scene(flow.definition())
    assert scene.sent == ["a", "b"]
    scene.done("b")
    scene.done("a")
    assert scene.sent == ["a", "b", "c"]
    scene.done("c")
    assert scene.sent[-1] == "d"


def test_the_first_true_case_is_chosen() -> None:
    flow = Flow("f").choice(
        "size",
        ("input.n > `10`", Flow("big").step("a", "s")),
        ("input.n > `5`", Flow("middle").step("b", "s")),
        otherwise=Flow("small").step("c", "s"),
    )
    assert [Scene(flow.definition(), {"n": n}).sent for n in (11, 6, 1)] == [["a"], ["b"], ["c"]]


def test_a_choice_of_nothing_goes_on() -> None:
    flow = Flow("f").choice("size", ("input.n > `10`", Flow("big").step("a", "s"))).step("b", "s")
    assert Scene(flow.definition(), {"n": 1}).sent == ["b"]


def test_a_condition_that_is_neither_true_nor_false_fails_the_saga_and_says_where() -> None:
    scene = Scene(Flow("f").choice("size", ("input.n", Flow("x").step("a", "s"))).definition(), {})
    assert scene.status == "compensated"
    assert scene.instance.cause == "size: the answer is null, neither true nor false in the expression 'input.n'"


def test_a_loop_runs_as_many_rounds_at_once_as_it_may_and_collects_in_order() -> None:
    body = Flow("body").step("pack", "s", "{sku: line.sku}", output="box")
    flow = Flow("f").each("lines", "input.lines", body, item="line", at_once=2, collect="box.n", output="boxes")
    scene = Scene(flow.definition(result="boxes"), {"lines": [{"sku": sku} for sku in "abc"]})
    assert scene.sent == ["pack[0]", "pack[1]"]
    assert scene.last_sent("pack[1]").payload == {"sku": "b"}
    scene.done("pack[1]", {"n": 1})
    scene.done("pack[2]", {"n": 2})
    scene.done("pack[0]", {"n": 0})
    assert scene.instance.result == [0, 1, 2]
    assert scene.instance.scopes == {}


def test_loops_nest_and_each_round_sees_its_own_items() -> None:
    inner = Flow("inner").step("a", "s", "{x: x, y: y, at: index}")
    flow = Flow("f").each("rows", "input", Flow("row").each("cells", "x", inner, item="y"), item="x")
    scene = Scene(flow.definition(), [[1, 2], [3]])
    for place, payload in (
        ("a[0][0]", {"x": [1, 2], "y": 1, "at": 0}),
        ("a[0][1]", {"x": [1, 2], "y": 2, "at": 1}),
        ("a[1][0]", {"x": [3], "y": 3, "at": 0}),
    ):
        assert scene.last_sent(place).payload == payload
        scene.done(place)
    assert scene.status == "completed"


def test_a_loop_over_nothing_and_a_saga_of_nothing_are_done_at_once() -> None:
    assert Scene(Flow("f").each("e", "input", Flow("b").step("a", "s")).definition(), []).status == "completed"
    assert Scene(Flow("f").definition()).status == "completed"


def test_a_long_saga_of_instant_nodes_needs_no_deep_stack() -> None:
    body = Flow("b").choice("c", ("`false`", Flow("never")))
    scene = Scene(Flow("f").each("e", "input", body, at_once=10).definition(), list(range(10_000)))
    assert scene.status == "completed"


def test_a_signal_that_came_early_is_kept() -> None:
    flow = Flow("f").step("a", "s").wait_signal("ok", "approve", output="who").step("b", "s", "{who: who.name}")
    scene = Scene(flow.definition())
    scene.happen(Signalled("approve", {"name": "bob"}))
    scene.done("a")
    assert scene.last_sent("b").payload == {"who": "bob"}
    assert scene.instance.signals == {}


def test_a_signal_wakes_a_saga_that_waits_for_it() -> None:
    scene = Scene(Flow("f").wait_signal("ok", "approve").definition())
    assert scene.status == "waiting"
    scene.happen(Signalled("approve"))
    assert scene.status == "completed"


def test_a_signal_that_does_not_come_in_time_fails_its_node() -> None:
    scene = Scene(Flow("f").wait_signal("ok", "approve", timeout_seconds=60).definition())
    scene.pass_time(60)
    assert (scene.status, scene.instance.cause) == (
        "compensated",
        "ok: the signal approve has not come within 60 s",
    )


def test_times_are_waited_for() -> None:
    flow = Flow("f").wait("pause", seconds=5).wait("due", until="epoch(input)").wait("past", until="`10`")
    scene = Scene(flow.definition(), "1970-01-01T00:17:00+00:00")
    scene.pass_time(5)
    assert scene.status == "waiting"
    scene.pass_time(15)
    assert scene.status == "completed"


def test_a_time_that_nobody_lives_to_see_fails_its_node() -> None:
    scene = Scene(Flow("f").wait("w", until="input").definition(), 1e12)
    assert "more than ten years ahead" in str(scene.instance.cause)


def test_a_timer_that_comes_too_early_is_set_again() -> None:
    scene = Scene(Flow("f").wait("pause", seconds=5).definition())
    scene.happen(Due("pause", 1))
    assert scene.commands[-1] == Wake("pause", 2, 1005.0)
    scene.pass_time(5)
    assert scene.status == "completed"


def test_answers_that_come_twice_or_too_late_change_nothing() -> None:
    scene = Scene(Flow("f").step("a", "s").step("b", "s").definition())
    for _ in range(2):
        scene.done("a")
    scene.done("c")
    scene.happen(Due("a", 1))
    assert scene.sent == ["a", "b"]


def test_a_saga_inside_another_gives_its_result() -> None:
    flow = Flow("f").saga("pay", "payment", "{n: input.n}", output="paid").step("b", "s", "{paid: paid.ok}")
    scene = Scene(flow.definition(), {"n": 1})
    assert scene.sent == ["pay"]
    scene.done("pay", {"ok": True})
    assert scene.last_sent("b").payload == {"paid": True}
