"""What actors share that were spawned alike, and what none shares with one spawned otherwise."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors import Actor, Bounded, Restart, SpecError, Supervision
from tests.unit.arena import AT_ONCE, Arena, arena, cell_of


class One(Actor):
    pass


class Other(Actor):
    pass


async def test_actors_spawned_alike_share_their_kind_and_nothing_else() -> None:
    async with arena() as actors:
        first, second = [cell_of(await actors.make(One, name)) for name in "ab"]
        assert first.kind is second.kind
        assert first.embody() is not second.embody()
        assert [cell.path for cell in (first, second)] == ["root/a", "root/b"]
        assert [cell.name for cell in (first, second)] == ["a", "b"]


@pytest.mark.parametrize("again", [AT_ONCE, Supervision(restart=Restart.TEMPORARY)])
async def test_each_actor_has_the_supervision_and_the_mailbox_it_was_spawned_with(again: Supervision) -> None:
    temporary, bounded = Supervision(restart=Restart.TEMPORARY), Bounded(1)
    async with arena() as actors:
        first = cell_of(await actors.make(One, "first", AT_ONCE))
        second = cell_of(await actors.make(One, "second", temporary, bounded))
        third = cell_of(await actors.make(One, "third", again))
        other = cell_of(await actors.make(Other, "other", temporary))
        cells = (first, second, third, other)
        assert [cell.supervision for cell in cells] == [AT_ONCE, temporary, again, temporary]
        assert [cell.statistics().capacity for cell in cells] == [None, 1, None, None]
        assert [cell.actor for cell in cells] == [One, One, One, Other]


async def test_only_a_plain_mailbox_takes_messages_without_further_ado() -> None:
    async def direct(actors: Arena, supervision: Supervision, mailbox: Bounded | None = None) -> bool:
        name = f"{supervision.hang_seconds} {mailbox}"
        return cell_of(await actors.make(One, name, supervision, mailbox)).kind.direct

    async with arena() as actors:
        assert await direct(actors, Supervision(hang_seconds=math.inf))
        assert not await direct(actors, Supervision(hang_seconds=1.0))
        assert not await direct(actors, Supervision(), Bounded(1))
    async with arena(development=True) as actors:
        assert not await direct(actors, Supervision())


@pytest.mark.parametrize("actor", [[], {}, "One", object, One()])
async def test_what_is_no_actor_class_is_refused_with_the_path(actor: Any) -> None:
    async with arena() as actors:
        with pytest.raises(SpecError, match=r"root/x: .* is no class derived from Actor"):
            await actors.make(actor, "x")
        assert not actors.root.children
