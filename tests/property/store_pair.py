"""The in-memory store and PostgreSQL side by side: every command goes to both, and both must answer alike.

Numbers and ids of queues are each store's own, and a store may leave out numbers. So an answer is compared by what it
says: entries by their events, a number by how many known entries it covers, a queue by its service and tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from actors.errors import PostroomError
from runtime.store.memory import MemoryStore
from runtime.store.memory_database import MemoryDatabase
from runtime.store.port import Store
from runtime.store.postgres import PostgresStore
from runtime.store.records import Batch, Entry, Event, QueueState
from tests.postgres import Server, run_sql

T = TypeVar("T")
SIDES = (0, 1)


class Known(msgspec.Struct):
    """An entry of both logs."""

    places: tuple[Entry, Entry]
    ended: bool = False

    @property
    def event(self) -> Event:
        return self.places[0].event

    def seq(self, side: int) -> int:
        return self.places[side].seq

    def queue(self, side: int) -> int:
        return self.places[side].queue


EMPTY = """
SET session_replication_role = replica;
DO $$ BEGIN
    EXECUTE (SELECT 'TRUNCATE ' || string_agg('postroom.' || tablename, ', ') FROM pg_tables
             WHERE schemaname = 'postroom' AND tablename <> 'migration');
END $$;
RESET session_replication_role
"""


class StorePair:
    """Both stores, over an empty database each. That of PostgreSQL was used before."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self.log: list[Known] = []
        """What is in the logs, in log order."""
        self.stores: Sequence[Store] = ()
        self._runner.run(self._open())

    def close(self) -> None:
        try:
            self._runner.run(self._close_stores())
        finally:
            self._runner.close()

    def restart(self) -> None:
        """Another process takes over."""

        async def take_over() -> None:
            await self._close_stores()
            await self._open_stores()

        self._runner.run(take_over())

    def ask(self, command: Callable[[Store, int], Awaitable[T]], seen: Callable[[T, int], Any]) -> list[T]:
        """Give both the command, built for each side. Both must answer alike, or fail alike: then nothing is returned.

        `seen` is what an answer says, whichever store it comes from.
        """
        answers = [self._runner.run(_answer(command(store, side))) for side, store in enumerate(self.stores)]
        said = [
            type(answer) if isinstance(answer, PostroomError) else seen(answer, side)
            for side, answer in enumerate(answers)
        ]
        assert said[0] == said[1], f"memory: {said[0]}\nPostgreSQL: {said[1]}"
        return [answer for answer in answers if not isinstance(answer, PostroomError)]

    def write(self, batch: Callable[[int], Batch]) -> bool:
        """Commit a batch, built for each side; return whether it was."""
        return self._append(self.ask(lambda store, side: store.commit(batch(side)), events_of))

    def append(self, command: Callable[[Store, int], Awaitable[list[Entry]]]) -> bool:
        """Give a command that answers with new entries."""
        return self._append(self.ask(command, events_of))

    def rank(self, seq: int, side: int) -> int:
        """What a number says: how many known entries it covers."""
        return sum(known.seq(side) <= seq for known in self.log)

    def standing(self, states: Sequence[QueueState], side: int) -> set[tuple[str, str, int, int]]:
        """What the queues say. One may be made for an event that is refused; it says nothing."""
        return {
            (state.service, state.tenant, self.rank(state.watermark, side), self.rank(state.last_seq, side))
            for state in states
            if state.last_seq
        }

    def _append(self, answers: list[list[Entry]]) -> bool:
        if not answers:
            return False
        memory, postgres = answers
        self.log += map(Known, zip(memory, postgres, strict=True))
        return True

    async def _open(self) -> None:
        self._memory = MemoryDatabase()
        await run_sql(self._server, EMPTY)
        await self._open_stores()

    async def _open_stores(self) -> None:
        self.stores = MemoryStore(self._memory), PostgresStore(self._server)
        for store in self.stores:
            await store.open()
            await store.acquire_lease(uuid4())

    async def _close_stores(self) -> None:
        for store in self.stores:
            await store.leave()
            await store.close()


async def _answer(command: Awaitable[T]) -> T | PostroomError:
    try:
        return await command
    except PostroomError as error:
        return error


def events_of(entries: Sequence[Entry], _side: int) -> list[Event]:
    return [entry.event for entry in entries]


def same(answer: object, _side: int) -> object:
    """Where answers are alike as they are."""
    return answer
