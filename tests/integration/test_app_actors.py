"""Actors in memory: tell, ask, crashes that no event explains, spawned children, passivation."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import msgspec
import pytest

from actors import Actor, ActorStoppedError, Backoff, Intensity, Ref, Request, Supervision, UnhandledMessageError
from runtime import App, Running
from runtime.errors import InvalidInputError, UnknownServiceError
from runtime.tree import TreeNode
from tests.apps import run, services_node
from tests.postgres import Server

QUICK = Supervision(backoff=Backoff(initial_seconds=0.001, max_seconds=0.002), shutdown_seconds=0.2)


class Add(msgspec.Struct):
    n: int


class Crash(msgspec.Struct):
    text: str = "crash"


class GetTotal(Request[int]):
    pass


class Block(Request[None]):
    pass


class AskCrash(Request[None]):
    pass


class Hire(Request[str]):
    name: str


class Adder(Actor):
    starts: ClassVar[list[str]] = []
    stops: ClassVar[list[str]] = []
    blocked: ClassVar[asyncio.Event]

    async def on_start(self) -> None:
        self.total = 0
        self.starts.append(self.ctx.me.path)

    async def on_stop(self) -> None:
        self.stops.append(self.ctx.me.path)

    async def add(self, add: Add) -> None:
        self.total += add.n

    async def get_total(self, request: GetTotal) -> int:
        return self.total

    async def crash(self, crash: Crash) -> None:
        raise RuntimeError(crash.text)

    async def ask_crash(self, request: AskCrash) -> None:
        raise RuntimeError("crash")

    async def block(self, request: Block) -> None:
        self.blocked.set()
        await asyncio.Event().wait()

    async def hire(self, request: Hire) -> str:
        ref = await self.ctx.spawn(Adder, request.name, supervision=QUICK)
        Team.hired.append(ref)
        return ref.path


class Team:
    hired: ClassVar[list[Ref]] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    Adder.starts.clear()
    Adder.stops.clear()
    Adder.blocked = asyncio.Event()
    Team.hired.clear()


def adder_app(*, keyed: bool = True, supervision: Supervision = QUICK, instances: int = 100) -> App:
    app = App("test")
    app.service("adders", Adder, keyed=keyed, slots=2, supervision=supervision, instances=instances)
    return app


def service_node(running: Running) -> TreeNode:
    return services_node(running).children[0]


async def ask_until_it_answers(ref: Ref) -> int:
    async with asyncio.timeout(5):
        while True:
            try:
                return await ref.ask(GetTotal())
            except ActorStoppedError:
                await asyncio.sleep(0)


async def test_tell_and_ask_reach_the_actor_of_the_key(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        one, two = (app.ref("adders", tenant="t", key=key) for key in ("a", "b"))
        for n in range(10):
            one.tell(Add(n))
        assert (await one.ask(GetTotal()), await two.ask(GetTotal())) == (45, 0)
        assert one.path == "test/services/adders/t:a"


async def test_messages_to_a_pool_take_turns(database: Server) -> None:
    app = adder_app(keyed=False)
    async with run(app, database):
        ref = app.ref("adders")
        for _ in range(4):
            ref.tell(Add(1))
        assert [await ref.ask(GetTotal()), await ref.ask(GetTotal())] == [2, 2]


async def test_a_keyed_service_needs_tenant_and_key(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        with pytest.raises(InvalidInputError, match="one actor per tenant and key"):
            app.ref("adders").tell(Add(1))
        with pytest.raises(UnknownServiceError):
            app.ref("nobody")


async def test_a_message_that_no_handler_takes_is_refused_at_the_sender(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        ref = app.ref("adders", tenant="t", key="a")
        with pytest.raises(UnhandledMessageError, match="no handler of Adder takes dict"):
            ref.tell({"n": 1})


async def test_the_error_of_a_handler_reaches_who_asked_and_restarts_the_actor(database: Server) -> None:
    class Failing(Adder):
        async def get_total(self, request: GetTotal) -> int:
            self.total += 1
            raise ValueError(f"total {self.total}")

    app = App("test")
    app.service("adders", Failing, supervision=QUICK, slots=1)
    async with run(app, database) as running:
        for _ in range(2):
            with pytest.raises(ValueError, match="total 1"):
                await app.ref("adders").ask(GetTotal())
        await app.ref("adders").ask(Hire(name="x"))
        node = service_node(running).children[0]
    assert node.restarts == 2
    assert node.last_reason == "ValueError: total 1"


async def test_mail_survives_a_crash(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        ref = app.ref("adders", tenant="t", key="a")
        ref.tell(Crash())
        for _ in range(5):
            ref.tell(Add(1))
        assert await ref.ask(GetTotal()) == 5


async def test_crashes_beyond_the_intensity_restart_the_service(database: Server) -> None:
    supervision = Supervision(
        intensity=Intensity(max_restarts=2, period_seconds=60.0), backoff=QUICK.backoff, shutdown_seconds=0.2
    )
    app = adder_app(supervision=supervision)
    async with run(app, database) as running:
        ref = app.ref("adders", tenant="t", key="a")
        for _ in range(3):
            with pytest.raises(RuntimeError, match="crash"):
                await ref.ask(AskCrash())
        assert await ask_until_it_answers(ref) == 0
        assert service_node(running).restarts == 3


async def test_an_ask_times_out(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        with pytest.raises(TimeoutError):
            await app.ref("adders", tenant="t", key="a").ask(Block(), timeout_seconds=0.01)


async def test_stopping_ends_a_handler_that_hangs_and_answers_who_waits(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        ref = app.ref("adders", tenant="t", key="a")
        asking = [asyncio.create_task(ref.ask(Block())), asyncio.create_task(ref.ask(GetTotal()))]
        await Adder.blocked.wait()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results] == [ActorStoppedError, ActorStoppedError]


async def test_children_are_restarted_alone_and_stop_with_their_parent(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        parent = app.ref("adders", tenant="t", key="a")
        assert await parent.ask(Hire(name="kim")) == "test/services/adders/t:a/kim"
        [kim] = Team.hired
        kim.tell(Add(3))
        kim.tell(Crash())
        kim.tell(Add(4))
        assert await kim.ask(GetTotal()) == 4
    assert Adder.stops.index("test/services/adders/t:a/kim") < Adder.stops.index("test/services/adders/t:a")
    with pytest.raises(ActorStoppedError):
        kim.tell(Add(1))


async def test_a_childs_name_used_twice_is_refused(database: Server) -> None:
    app = adder_app()
    async with run(app, database):
        parent = app.ref("adders", tenant="t", key="a")
        await parent.ask(Hire(name="kim"))
        with pytest.raises(Exception, match="kim"):
            await parent.ask(Hire(name="kim"))


async def test_idle_instances_beyond_the_limit_are_passivated(database: Server) -> None:
    app = adder_app(instances=3)
    async with run(app, database) as running:
        for n in range(10):
            await app.ref("adders", tenant="t", key=f"k{n}").ask(GetTotal())
        assert service_node(running).children_total == 3
    assert len(Adder.stops) == 10
