"""Keeps this process a member of those that share the database. The decisions are in `runtime.core.sharing`.

look -> fence the dead -> take what is free and due -> look ...
look -> give up what is too much -> look ...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from runtime.core.sharing import Seat, Share, Sign, Watch, share
from runtime.core.utilization import keeps_new_work
from runtime.durable.hand_over import HandOver
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import CommitUnknownError, LeaseHeldError, LeaseLostError, StoreUnavailableError
from runtime.machinery import Machinery
from runtime.store.membership import Member, MemberProfile, Taken

LOGGER = logging.getLogger("postroom.members")

LOOK_SECONDS = 0.25
GRACE_SECONDS = 0.5
"""How long a member without a session has to come back, as all have to when the server restarts; then it is dead."""
SETTLE_SECONDS = 5.0
"""How long a start waits for its share of the shards."""
LEAVE_SECONDS = 5.0
LOST_STOP_SECONDS = 1.0
"""How long a process takes to stop of which others own the shards: nothing is left that it could record."""
SETTLING_LOOK_SECONDS = 0.05
FORGET_SECONDS = 5.0
LOST = "this process stood still for so long that others took it for dead and own its shards since"

Granted = Callable[[Taken], Awaitable[None]]
"""Is told what shards became own ones, under the lock of those who append."""


def own_label(app: str) -> str:
    """Names this process: app, host and process id."""
    return f"{app} {socket.gethostname()}:{os.getpid()}"


def is_gone(label: str) -> bool:
    """Whether a label names a process of this host that does not exist."""
    host, _, pid = label.partition(" ")[2].rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Membership:
    """The work of the parts `members` and `moves`."""

    def __init__(
        self, machinery: Machinery, incarnation: UUID, app: str, granted: Granted, *, lease_seconds: float
    ) -> None:
        self._machinery = machinery
        self._store = machinery.store
        self._incarnation = incarnation
        self._app = app
        self._granted = granted
        self._watch = Watch(grace_seconds=GRACE_SECONDS, lease_seconds=lease_seconds)
        self._hand_over = HandOver(machinery, incarnation, self.unclean)
        self._alone = True
        self._sole = True
        self._keeps_new_work = True
        self._next_forget = 0.0
        self.lost = asyncio.Event()
        """Set when others took this process for dead."""

    @property
    def alone(self) -> bool:
        """Whether no other process takes shards, as far as is known."""
        return self._alone

    @property
    def sole(self) -> bool:
        """Whether no other process is there at all, as far as is known."""
        return self._sole

    @property
    def keeps_new_work(self) -> bool:
        """Whether what could begin in any process is to begin in this one: it is hardly busier than the others."""
        return self._keeps_new_work

    def unclean(self) -> Collection[int]:
        """The shards in which something that an earlier crash left has not passed."""
        return self._machinery.suspects.shards

    def detail(self) -> str | None:
        own = len(self._machinery.backlog.shards)
        return f"{own} shards" if self._alone else f"{own} shards, the rest is with others"

    async def settle(self) -> None:
        """Return when this process has its share, or after `SETTLE_SECONDS`.

        Raises:
            LeaseHeldError: another app runs on this database.
        """
        for member in await self._store.members():
            app, _, process = member.label.partition(" ")
            if not (member.passive or member.ended) and app != self._app:
                await self._store.leave()
                raise LeaseHeldError(app, process)
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while not await self._look():
            if asyncio.get_running_loop().time() >= deadline:
                return
            await asyncio.sleep(SETTLING_LOOK_SECONDS)

    async def run(self) -> None:
        """Look at the others again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                await self._look()

    async def run_moves(self) -> None:
        """Give up what is too much, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                if self._hand_over.undecided:
                    await self._hand_over.settle()
                surplus = self._plan(await self._store.members()).surplus
                if surplus:
                    await self._hand_over.give_up(surplus)

    async def leave(self) -> None:
        """Give up what can be given up, while there are others to take it."""
        if self._alone:
            return
        with contextlib.suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._store.join(self._incarnation, MemberProfile(label=own_label(self._app), passive=True))
                while shards := self._machinery.backlog.shards:
                    await self._hand_over.give_up(len(shards))

    async def _look(self) -> bool:
        """See who is there and take what is due; whether nothing is missing."""
        members = await self._living()
        plan = self._plan(members)
        # what is being given up may be free already, and is not forgotten here yet
        if take := plan.take - self._hand_over.undecided:
            await self._take(take)
        await self._forget_arrivals(members)
        seats = len(_seats(members))
        self._alone, self._sole = seats == 1, len(members) == 1
        busy = {member.incarnation: member.utilization for member in members if not member.passive}
        self._keeps_new_work = keeps_new_work(busy.get(self._incarnation, 0.0), busy.values())
        return len(self._machinery.backlog.shards) >= self._machinery.backlog.count // max(1, seats)

    def _plan(self, members: Sequence[Member]) -> Share:
        if all(member.incarnation != self._incarnation for member in members):
            self.lost.set()
            raise LeaseLostError(LOST)
        owned = [shard for member in members for shard in member.shards]
        return share(self._incarnation, _seats(members), self._machinery.backlog.count, owned)

    async def _living(self) -> list[Member]:
        """The members, after those that are dead have been fenced."""
        members = await self._store.members()
        others = {member.incarnation: member for member in members if member.incarnation != self._incarnation}
        signs = [
            Sign(name, member.seen_at, member.ended, member.ended and is_gone(member.label))
            for name, member in others.items()
        ]
        dead = self._watch.observe(signs, self._machinery.clock.monotonic())
        for name in dead:
            if await self._store.remove_member(name, others[name].epoch):
                LOGGER.warning("%s is dead (%s); others take its shards", others[name].label or name, name)
        return await self._store.members() if dead else members

    async def _take(self, shards: frozenset[int]) -> None:
        async with self._machinery.appending:
            try:
                taken = await self._store.take_shards(shards)
            except CommitUnknownError:
                taken = await self._unserved()
            while True:
                try:
                    await self._granted(taken)
                except StoreUnavailableError:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    return

    async def _unserved(self) -> Taken:
        """What the store knows as this member's, and is not served, once nothing is under way."""
        while True:
            try:
                own = frozenset((await self._store.join(self._incarnation)).shards)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                unserved = own - self._machinery.backlog.shards
                return Taken(unserved, unserved)

    async def _forget_arrivals(self, members: Sequence[Member]) -> None:
        """The first of the members forgets, now and then, what all of them know."""
        active = [member for member in members if not member.passive]
        now = self._machinery.clock.monotonic()
        if active and active[0].incarnation == self._incarnation and now >= self._next_forget:
            self._next_forget = now + FORGET_SECONDS
            await self._store.forget_arrivals(min(member.position for member in active))


def _seats(members: Sequence[Member]) -> list[Seat]:
    return [Seat(member.incarnation, frozenset(member.shards)) for member in members if not member.passive]
