"""What cannot be asked of actors is a typed error where it is asked, with the actor's path, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from actors import (
    Actor,
    ActorError,
    Intensity,
    NotARequestError,
    PostroomError,
    Ref,
    Request,
    SpecError,
    Supervision,
    UnhandledMessageError,
)
from tests.unit.arena import AT_ONCE, arena, cell_of


class Note(msgspec.Struct):
    text: str


class Other(msgspec.Struct):
    pass


class OtherRequest(Request[None]):
    pass


class Act(Request[None]):
    act: Any


class Count(Request[int]):
    pass


class Ledger(msgspec.Struct):
    total: int = 0


class Keeper(Actor):
    state: Ledger

    def note(self, note: Note) -> None: ...


ERROR = ValueError("always the same")
OFTEN = Supervision(backoff=AT_ONCE.backoff, intensity=Intensity(max_restarts=100))


class Clerk(Actor):
    """Does in its handler what a test wants."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, note: Note) -> None:
        self.count += 1

    async def act(self, act: Act) -> None:
        result = act.act(self.ctx)
        if result is not None:
            await result

    def get_count(self, _: Count) -> int:
        return self.count


async def refused(ref: Ref[Any], act: Callable[[Any], Any]) -> PostroomError:
    with pytest.raises(PostroomError) as raised:
        await ref.ask(Act(act))
    return raised.value


@pytest.mark.parametrize("message", [Other(), OtherRequest(), "text", 5, None, object()])
async def test_a_message_that_no_handler_takes(message: object) -> None:
    async with arena() as actors:
        ref = cast("Any", await actors.make(Clerk, "a"))
        with pytest.raises(UnhandledMessageError, match="root/a: no handler of Clerk takes"):
            ref.tell(message)
        with pytest.raises(UnhandledMessageError, match="root/a: no handler of Clerk takes"):
            await ref.send(message)
        with pytest.raises((UnhandledMessageError, NotARequestError), match="root/a: "):
            await ref.ask(message)
        assert await ref.ask(Count()) == 0
        assert actors.run_queue.dead.total == 0


async def test_an_ask_with_a_message_that_is_only_told() -> None:
    async with arena() as actors:
        ref = cast("Any", await actors.make(Clerk, "a"))
        with pytest.raises(NotARequestError, match="root/a: Note is not a Request"):
            await ref.ask(Note("x"))
        assert await ref.ask(Count()) == 0


@pytest.mark.parametrize(
    ("actor", "name", "problem"),
    [
        (Clerk, "kim", "name: root/a has a child 'kim' already"),
        (Clerk, "", "name: '' must be one part of a path"),
        (Clerk, "x/y", "name: 'x/y' must be one part of a path"),
        (int, "x", "actor: root/a/x: <class 'int'> is no class derived from Actor"),
        ("Clerk", "x", "actor: root/a/x: 'Clerk' is no class derived from Actor"),
        (Keeper, "x", "actor: Keeper has a durable state, which only actors of keyed services have"),
    ],
)
async def test_a_child_that_cannot_be(actor: Any, name: str, problem: str) -> None:
    async with arena() as actors:
        ref = await actors.make(Clerk, "a")
        await ref.ask(Act(lambda ctx: ctx.spawn(Clerk, "kim")))
        parent = cell_of(ref)

        async def spawn(ctx: Any) -> None:
            with pytest.raises(SpecError) as raised:
                await ctx.spawn(actor, name)
            assert str(raised.value).startswith(problem)
            assert parent.children is not None
            assert [node.name for node in parent.children.nodes()] == ["kim"]

        await ref.ask(Act(spawn))


async def test_more_stashed_messages_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.cells.ties.MAX_STASHED", 2)
    async with arena() as actors:
        ref = await actors.make(Clerk, "a")

        def stash(ctx: Any) -> None:
            for _ in range(3):
                ctx.stash(Note("x"))

        error = await refused(ref, stash)
        assert isinstance(error, ActorError)
        assert str(error).startswith("root/a: 2 messages are stashed; unstash them or refuse them")


async def test_an_exception_that_is_raised_again_and_again_tells_once_where() -> None:
    async with arena() as actors:

        def fail(_: Any) -> None:
            raise ERROR

        ref = await actors.make(Clerk, "a", OFTEN)
        for _ in range(3):
            with pytest.raises(ValueError, match="always the same"):
                await ref.ask(Act(fail))
        assert len(ERROR.__notes__) == 1


async def test_the_last_exits_of_a_child_are_told_with_their_reasons() -> None:
    async with arena() as actors:

        def fail(ctx: Any) -> None:
            raise ValueError("boom")

        ref = await actors.make(Clerk, "a", OFTEN)
        for _ in range(25):
            with pytest.raises(ValueError, match="boom"):
                await ref.ask(Act(fail))
        await ref.ask(Act(lambda ctx: ctx.restart()))
        await ref.ask(Count())
        node = cell_of(ref).node()
        assert (node.restarts, len(node.exits)) == (26, 20)
        assert {exited.reason for exited in node.exits[:-1]} == {"ValueError: boom"}
        assert node.exits[-1].reason == "ActorError: root/a: it asked for its restart"
        assert [exited.explained for exited in node.exits[-2:]] == [False, True]
