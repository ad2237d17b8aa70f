"""Bounded mailboxes: who waits, who is refused, what is dropped, and where it goes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from actors import Actor, ActorStoppedError, Bounded, MailboxFullError, Overflow, Ref, Request, SpecError, Terminated
from tests.unit.arena import Arena, arena, cell_of, wait_until


class Note(msgspec.Struct):
    text: str


class GetNotes(Request[list[str]]):
    pass


class Hold(msgspec.Struct):
    until: asyncio.Event


class Slow(Actor):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, note: Note) -> None:
        self.notes.append(note.text)

    async def hold(self, hold: Hold) -> None:
        await hold.until.wait()

    async def get_notes(self, _: GetNotes) -> list[str]:
        return self.notes

    async def terminated(self, notice: Terminated) -> None:
        self.notes.append(f"gone: {notice.path}")


class Full:
    """An actor whose handler is held up, with a full mailbox."""

    def __init__(self, ref: Ref, arena: Arena) -> None:
        self.ref = ref
        self.arena = arena
        self.open = asyncio.Event()

    @property
    def dead(self) -> list[object]:
        return [letter.message for letter in self.arena.run_queue.dead.last]


async def full(actors: Arena, policy: Overflow, capacity: int = 2) -> Full:
    made = Full(await actors.make(Slow, "slow", mailbox=Bounded(capacity, policy)), actors)
    made.ref.tell(Hold(made.open))
    await wait_until(lambda: cell_of(made.ref).state == "busy")
    for n in range(capacity):
        made.ref.tell(Note(str(n)))
    return made


def test_a_mailbox_without_room_for_anything_is_refused() -> None:
    with pytest.raises(SpecError, match="capacity: must be 1 or more, not 0"):
        Bounded(0)


@pytest.mark.parametrize("policy", [Overflow.WAIT, Overflow.REFUSE])
async def test_to_tell_a_full_mailbox_is_an_error(policy: Overflow) -> None:
    async with arena() as actors:
        slow = await full(actors, policy)
        with pytest.raises(MailboxFullError, match=r"root/slow: the mailbox is full \(2 messages\)") as caught:
            slow.ref.tell(Note("x"))
        assert (caught.value.path, caught.value.capacity) == ("root/slow", 2)
        slow.open.set()
        await wait_until(lambda: cell_of(slow.ref).idle)
        assert await slow.ref.ask(GetNotes()) == ["0", "1"]


async def test_to_send_or_ask_where_the_policy_is_to_refuse_is_an_error() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.REFUSE)
        with pytest.raises(MailboxFullError):
            await slow.ref.send(Note("x"))
        with pytest.raises(MailboxFullError):
            await slow.ref.ask(GetNotes())
        slow.open.set()


async def test_senders_wait_for_room_and_come_in_order() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.WAIT)
        sending = [asyncio.create_task(slow.ref.send(Note(f"late {n}"))) for n in range(3)]
        asking = asyncio.create_task(slow.ref.ask(GetNotes()))
        await wait_until(lambda: cell_of(slow.ref).statistics().waiting_senders == 4)
        assert not any(task.done() for task in sending)
        slow.open.set()
        assert await asking == ["0", "1", "late 0", "late 1", "late 2"]
        await asyncio.gather(*sending)


async def test_a_sender_that_is_cancelled_while_it_waits_has_sent_nothing() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.WAIT)
        sending = asyncio.create_task(slow.ref.send(Note("never")))
        await wait_until(lambda: cell_of(slow.ref).statistics().waiting_senders)
        sending.cancel()
        await asyncio.wait({sending})
        slow.open.set()
        await wait_until(lambda: cell_of(slow.ref).idle)
        assert await slow.ref.ask(GetNotes()) == ["0", "1"]


async def test_senders_that_wait_are_told_when_the_actor_stops() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.WAIT)
        waiting = [asyncio.create_task(slow.ref.send(Note("x"))), asyncio.create_task(slow.ref.ask(GetNotes()))]
        await wait_until(lambda: cell_of(slow.ref).statistics().waiting_senders == 2)
        await cell_of(slow.ref).stop(0.01)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [ActorStoppedError, ActorStoppedError]


async def test_the_newest_is_dropped_counted_and_a_dead_letter() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.DROP_NEWEST)
        slow.ref.tell(Note("x"))
        await slow.ref.send(Note("y"))
        with pytest.raises(MailboxFullError):
            await slow.ref.ask(GetNotes())
        assert cell_of(slow.ref).statistics().dropped == 3
        assert slow.dead == [Note("x"), Note("y"), GetNotes()]
        slow.open.set()
        await wait_until(lambda: cell_of(slow.ref).idle)
        assert await slow.ref.ask(GetNotes()) == ["0", "1"]


async def test_the_oldest_is_dropped_and_the_newest_takes_its_place_at_the_end() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.DROP_OLDEST)
        slow.ref.tell(Note("2"))
        assert slow.dead == [Note("0")]
        slow.open.set()
        await wait_until(lambda: cell_of(slow.ref).idle)
        assert await slow.ref.ask(GetNotes()) == ["1", "2"]


async def test_notices_find_room_in_a_full_mailbox_and_come_first() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.REFUSE)
        other = await actors.make(Slow, "other")
        cell = cell_of(slow.ref)
        assert cell.instance is not None
        cell.instance.ctx.watch(other)
        await cell_of(other).stop(1.0)
        slow.open.set()
        await wait_until(lambda: cell.idle)
        assert await slow.ref.ask(GetNotes()) == ["gone: root/other", "0", "1"]


async def test_what_a_stopped_actor_did_not_handle_is_a_dead_letter() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.WAIT)
        await cell_of(slow.ref).stop(0.01)
        assert slow.dead == [Note("0"), Note("1")]
        with pytest.raises(ActorStoppedError):
            slow.ref.tell(Note("too late"))
        assert slow.dead[-1] == Note("too late")
        assert actors.run_queue.dead.total == 3


async def test_statistics_are_a_snapshot() -> None:
    async with arena() as actors:
        slow = await full(actors, Overflow.WAIT)
        before: Any = cell_of(slow.ref).statistics()
        slow.open.set()
        await wait_until(lambda: cell_of(slow.ref).idle)
        assert (before.depth, before.capacity, before.dropped) == (2, 2, 0)
        assert before.oldest_sent_at <= actors.clock.monotonic()
        assert cell_of(slow.ref).statistics().oldest_sent_at is None
        with pytest.raises(AttributeError):
            before.depth = 0
