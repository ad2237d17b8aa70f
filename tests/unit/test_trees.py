"""Actors in trees of supervisors: what their places outlast, and what they are told."""

from __future__ import annotations

import asyncio

import pytest

from actors import (
    Actor,
    ActorSpec,
    ActorStoppedError,
    AutoShutdown,
    Decider,
    Directive,
    HandlerHungError,
    Intensity,
    Restart,
    StartIgnoredError,
    Strategy,
    Supervision,
    SupervisorSpec,
)
from runtime.core.supervision_errors import RestartLimitError
from tests.unit.arena import AT_ONCE, cell_of, wait_until
from tests.unit.grove import Grove, grove
from tests.unit.grove_actors import (
    TEMPORARY,
    TRANSIENT,
    Crash,
    Do,
    GetNotes,
    Hold,
    Note,
    Watcher,
    Worker,
    forget_all,
    logged,
    team,
    worker,
)

__all__ = ["forget_all"]  # a fixture for every test works where it is imported


async def test_a_tree_starts_in_order_as_declared_and_stops_in_reverse() -> None:
    spec = SupervisorSpec(
        "root",
        [worker("a"), SupervisorSpec("s", [worker("b"), worker("c")], strategy=Strategy.ONE_FOR_ALL), worker("d")],
        strategy=Strategy.REST_FOR_ONE,
    )
    async with grove(spec) as trees:
        assert [(child.name, child.kind, child.strategy) for child in trees.root.node().children] == [
            ("a", "actor", None),
            ("s", "supervisor", "one_for_all"),
            ("d", "actor", None),
        ]
        assert trees.lookup("root/s/b").path == "app/root/s/b"
    starts, stops = Worker.log[:4], Worker.log[4:]
    assert starts == ["start a", "start b", "start c", "start d"]
    assert stops == ["stop d", "stop c", "stop b", "stop a"]


async def test_messages_that_wait_survive_a_crash_and_the_reference_holds() -> None:
    async with grove(team()) as trees:
        ref = trees.lookup("team/a")
        for message in (Note("1"), Crash(), Note("2"), Note("3")):
            ref.tell(message)
        assert await ref.ask(GetNotes()) == ["2", "3"]
        assert "restarted a after crash" in Worker.log
        node = trees.node("a")
        assert (node.restarts, node.last_reason) == (1, "RuntimeError: crash")


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["stop b", "start b"]),
        (Strategy.REST_FOR_ONE, ["stop b", "stop c", "start b", "start c"]),
        (Strategy.ONE_FOR_ALL, ["stop b", "stop c", "stop a", "start a", "start b", "start c"]),
    ],
)
async def test_siblings_share_the_fate_that_the_strategy_says(strategy: Strategy, expected: list[str]) -> None:
    async with grove(team(strategy)) as trees:
        Worker.log.clear()
        trees.lookup("team/b").tell(Crash())
        await logged(expected[-1])
        assert [line for line in Worker.log if not line.startswith("restarted")] == expected
        assert await trees.lookup("team/c").ask(GetNotes()) == []


async def test_the_mail_of_a_sibling_that_restarts_along_survives_in_order() -> None:
    async with grove(team(Strategy.ONE_FOR_ALL)) as trees:
        a = trees.lookup("team/a")
        holding = asyncio.create_task(a.ask(Hold()))
        await Worker.held.wait()
        a.tell(Note("before"))
        trees.lookup("team/c").tell(Crash())
        await wait_until(lambda: cell_of(a).control)
        a.tell(Note("after"))
        Worker.release.set()
        await holding
        assert await a.ask(GetNotes()) == ["before", "after"]
        assert trees.run_queue.dead.total == 0


async def test_a_sibling_whose_handler_does_not_end_in_time_is_cut_off_and_who_asked_is_told() -> None:
    quick = Supervision(backoff=AT_ONCE.backoff, shutdown_seconds=0.01)
    spec = SupervisorSpec("team", [worker("a", quick), worker("b")], strategy=Strategy.ONE_FOR_ALL)
    async with grove(spec) as trees:
        holding = asyncio.create_task(trees.lookup("team/a").ask(Hold()))
        await Worker.held.wait()
        trees.lookup("team/b").tell(Crash())
        with pytest.raises(ActorStoppedError, match="app/team/a: cut off"):
            await holding
        assert await trees.lookup("team/a").ask(GetNotes()) == []


async def test_too_many_restarts_end_the_supervisor_and_waiting_messages_are_dead_letters() -> None:
    async with grove(team(intensity=Intensity(max_restarts=1))) as trees:
        ref = trees.lookup("team/a")
        for message in (Crash(), Crash(), Note("lost")):
            ref.tell(message)
        await wait_until(lambda: trees.ended)
        assert isinstance(trees.ended[0], RestartLimitError)
        assert [dead.message for dead in trees.run_queue.dead.last] == [Note("lost")]
        with pytest.raises(ActorStoppedError):
            await ref.ask(GetNotes())


async def test_references_hold_when_the_supervisor_above_restarts_the_whole_tree() -> None:
    inner = SupervisorSpec("inner", [worker("a")], intensity=Intensity(max_restarts=0), supervision=AT_ONCE)
    async with grove(SupervisorSpec("root", [inner])) as trees:
        ref = trees.lookup("root/inner/a")
        Worker.log.clear()
        ref.tell(Crash())
        await logged("start a")
        await wait_until(lambda: trees.node("inner").state == "running")
        assert await ref.ask(GetNotes()) == []
        assert trees.node("inner").restarts == 1


@pytest.mark.parametrize(
    ("supervision", "restarts"), [(AT_ONCE, 1), (TRANSIENT, 0), (TEMPORARY, 0)], ids=["permanent", "transient", "temp"]
)
async def test_to_stop_oneself_is_a_normal_exit(supervision: Supervision, restarts: int) -> None:
    async with grove(SupervisorSpec("team", [worker("a", supervision), worker("w")])) as trees:
        ref = trees.lookup("team/a")
        Worker.log.clear()
        ref.tell(Do("stop"))
        await logged("stop a")
        if restarts:
            assert await ref.ask(GetNotes()) == []
            assert trees.node("a").last_reason == "normal exit"
            return
        with pytest.raises(ActorStoppedError):
            await ref.ask(GetNotes())
        listed = [(child.name, child.state) for child in trees.supervisor_at("team").which_children()]
        assert listed == ([("a", "ended")] if supervision is TRANSIENT else []) + [("w", "running")]


async def test_a_temporary_actor_that_crashed_is_gone_and_its_reference_says_so() -> None:
    async with grove(SupervisorSpec("team", [worker("a", TEMPORARY)])) as trees:
        ref = trees.lookup("team/a")
        ref.tell(Crash())
        await wait_until(lambda: not trees.supervisor_at("team").which_children())
        with pytest.raises(ActorStoppedError, match="app/team/a has stopped"):
            ref.tell(Note("x"))


async def test_a_restart_asked_for_is_recorded_and_not_charged() -> None:
    async with grove(team(intensity=Intensity(max_restarts=0))) as trees:
        ref = trees.lookup("team/a")
        for _ in range(3):
            ref.tell(Do("restart"))
        assert await ref.ask(GetNotes()) == []
        [info, *_] = trees.supervisor_at("team").which_children()
        assert (info.restarts, [exited.explained for exited in info.exits]) == (3, [True, True, True])


async def test_a_decider_can_let_an_actor_go_on_with_its_state() -> None:
    resume = Supervision(decider=Decider(((RuntimeError, Directive.RESUME),)))
    async with grove(SupervisorSpec("team", [worker("a", resume)])) as trees:
        ref = trees.lookup("team/a")
        for message in (Note("1"), Crash(), Note("2")):
            ref.tell(message)
        assert await ref.ask(GetNotes()) == ["1", "2"]
        [info] = trees.supervisor_at("team").which_children()
        assert [exited.reason for exited in info.exits] == ["resumed after RuntimeError: crash"]


async def test_a_handler_that_hangs_is_cancelled_and_its_actor_restarted_by_its_supervisor() -> None:
    hung = Supervision(hang_seconds=0.02, backoff=AT_ONCE.backoff)
    async with grove(SupervisorSpec("team", [worker("a", hung)])) as trees:
        with pytest.raises(HandlerHungError, match="app/team/a: the handler of Hold made no progress for"):
            await trees.lookup("team/a").ask(Hold())
        assert await trees.lookup("team/a").ask(GetNotes()) == []
        assert trees.node("a").restarts == 1


async def test_a_start_that_hangs_is_ended_by_its_limit_and_tried_again() -> None:
    slow = Supervision(start_seconds=0.02, backoff=AT_ONCE.backoff)
    async with grove(SupervisorSpec("team", [worker("a", slow)])) as trees:
        ref = trees.lookup("team/a")
        Worker.start_hangs.add("a")
        ref.tell(Crash())
        await Worker.held.wait()
        Worker.start_hangs.clear()
        ref.tell(Note("waited"))
        assert await ref.ask(GetNotes()) == ["waited"]
        [info] = trees.supervisor_at("team").which_children()
        assert "did not start within 0.02 s" in info.exits[-1].reason


async def test_a_tree_whose_actor_cannot_start_fails_and_leaves_nothing() -> None:
    Worker.start_error["b"] = RuntimeError("no port")
    trees = Grove(team())
    with pytest.raises(RuntimeError, match="no port"):
        await trees.root.start(trees.ended.append)
    assert Worker.log == ["start a", "stop a"]
    await trees.run_queue.close()


async def test_a_start_can_be_ignored_and_asked_for_later() -> None:
    Worker.start_error["b"] = StartIgnoredError("no need yet")
    async with grove(team()) as trees:
        supervisor = trees.supervisor_at("team")
        assert [child.state for child in supervisor.which_children()] == ["running", "ended", "running"]
        with pytest.raises(ActorStoppedError):
            trees.lookup("team/b").tell(Note("x"))
        Worker.start_error.clear()
        await supervisor.restart_child("b")
        assert await trees.lookup("team/b").ask(GetNotes()) == []


async def test_a_watcher_is_told_when_there_is_no_next_life_and_not_before() -> None:
    spec = SupervisorSpec("team", [ActorSpec("w", Watcher), worker("a")])
    async with grove(spec) as trees:
        trees.lookup("team/w").tell(Do("team/a"))
        ref = trees.lookup("team/a")
        ref.tell(Crash())
        assert await ref.ask(GetNotes()) == []
        assert Watcher.told == []
        await trees.supervisor_at("team").terminate_child("a")
        await wait_until(lambda: Watcher.told)
        assert [notice.path for notice in Watcher.told] == ["app/team/a"]


async def test_the_crash_of_one_actor_is_the_crash_of_who_is_linked_and_each_supervisor_restarts_its_own() -> None:
    class Linked(Worker):
        def do(self, do: Do) -> None:
            self.ctx.link(self.ctx.ref(do.what))

    inner = SupervisorSpec("inner", [ActorSpec("linked", Linked, supervision=AT_ONCE)])
    async with grove(SupervisorSpec("team", [worker("a"), inner])) as trees:
        linked = trees.lookup("team/inner/linked")
        linked.tell(Do("team/a"))
        assert await linked.ask(GetNotes()) == []
        trees.lookup("team/a").tell(Crash())
        await wait_until(lambda: trees.node("inner", "linked").restarts == 1 and trees.node("a").restarts == 1)
        reason = trees.node("inner", "linked").last_reason
        assert reason is not None
        assert "the actor it is linked to, app/team/a, crashed: RuntimeError: crash" in reason


async def test_a_significant_actor_that_ends_shuts_its_supervisor_down() -> None:
    significant = Supervision(restart=Restart.TRANSIENT, significant=True)
    spec = SupervisorSpec("team", [worker("a", significant), worker("b")], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with grove(spec) as trees:
        trees.lookup("team/a").tell(Do("stop"))
        await wait_until(lambda: trees.ended)
        assert "stop b" in Worker.log


async def test_what_an_actor_of_a_tree_spawned_ends_with_it() -> None:
    class Parent(Actor):
        async def on_start(self) -> None:
            await self.ctx.spawn(Worker, "child")

        def crash(self, _: Crash) -> None:
            raise RuntimeError("crash")

    async with grove(SupervisorSpec("team", [ActorSpec("p", Parent, supervision=AT_ONCE)])) as trees:
        trees.lookup("team/p").tell(Crash())
        await wait_until(lambda: Worker.log == ["start child", "stop child", "start child"])


async def test_a_handler_that_ignores_its_cancellation_is_left_behind_and_a_new_place_takes_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.cells.rest.KILL_SECONDS", 0.02)

    class Stubborn(Actor):
        async def hold(self, _: Hold) -> None:
            Worker.held.set()
            while not Worker.release.is_set():
                try:
                    await Worker.release.wait()
                except asyncio.CancelledError:
                    Worker.log.append("ignored")

        def get_notes(self, _: GetNotes) -> list[str]:
            return ["fresh"]

    quick = Supervision(shutdown_seconds=0.01)
    async with grove(SupervisorSpec("team", [ActorSpec("a", Stubborn, supervision=quick)])) as trees:
        holding = asyncio.create_task(trees.lookup("team/a").ask(Hold()))
        await Worker.held.wait()
        supervisor = trees.supervisor_at("team")
        await supervisor.terminate_child("a")
        assert "did not end although it was cancelled" in supervisor.which_children()[0].exits[-1].reason
        await supervisor.restart_child("a")
        assert await trees.lookup("team/a").ask(GetNotes()) == ["fresh"]
        Worker.release.set()
        await asyncio.wait({holding})
