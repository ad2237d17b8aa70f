"""Callouts: a handler waits for others without its slot, and gets its results and errors together.

    at work -> away (slot given back, key kept) -> back in line, first of its tenant -> a slot again -> at work

An event that is away counts for the fair share as one that has completed and whose key is held, so that it pays for
the time it used and for none that it waits; when it is back it is taken like any other, under the same caps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import ActorError, CalloutsError, CalloutTimeoutError
from runtime.context import refuse
from runtime.settings import (
    DEFAULT_CALLOUT_SECONDS,
    DEFAULT_MAX_CALLOUT_ROUNDS,
    DEFAULT_MAX_CALLOUTS,
    DEFAULT_MAX_WAITING_CALLOUTS,
    Settings,
)
from runtime.tasks import new_task

if TYPE_CHECKING:
    from runtime.core.fair_share import Taken
    from runtime.durable.chunk import ChunkRun
    from runtime.durable.service import Service
    from runtime.store.records import Entry


class CalloutLimits(msgspec.Struct, frozen=True, kw_only=True):
    """See `runtime.settings.Settings`."""

    max_callouts: int = DEFAULT_MAX_CALLOUTS
    max_callout_rounds: int = DEFAULT_MAX_CALLOUT_ROUNDS
    callout_seconds: float = DEFAULT_CALLOUT_SECONDS
    max_waiting_callouts: int = DEFAULT_MAX_WAITING_CALLOUTS


def callout_limits_of(settings: Settings) -> CalloutLimits:
    """The limits that an app's settings name."""
    return msgspec.convert(settings, CalloutLimits, from_attributes=True)


class Errand:
    """What a handler has had of callouts."""

    __slots__ = ("away", "rounds")

    def __init__(self) -> None:
        self.rounds = 0
        self.away = False


class Away:
    """A run that has given its slot back."""

    __slots__ = ("back", "ended", "key", "run", "seated")

    def __init__(self, run: ChunkRun, key: str) -> None:
        self.run = run
        self.key = key
        """Under which its entry is held in the fair share."""
        self.back: asyncio.Future[None] | None = None
        """Set once it waits for a slot; done when it may go on."""
        self.seated = False
        """Whether it has a slot again."""
        self.ended = False
        """Whether its handler ended meanwhile, such as one that was cancelled. The slot is then for its way out."""


class Callouts:
    """The runs of one service that wait for callouts."""

    def __init__(self, service: Service, limits: CalloutLimits) -> None:
        self._service = service
        self._limits = limits
        self.away: dict[int, Away] = {}
        """By the seq of the entry."""

    async def call_out(self, run: ChunkRun, calls: Sequence[Awaitable[Any]], seconds: float | None) -> list[Any]:
        """See `actors.Context.callouts`."""
        limit = self._limits.callout_seconds
        try:
            self._require(run, len(calls), seconds)
        except CalloutsError:
            refuse(calls)
            raise
        run.errand = errand = run.errand or Errand()
        errand.rounds += 1
        errand.away = True
        away = self._leave(run)
        answers = await _gathered(calls, limit if seconds is None else seconds)
        if away is not None:
            await self._return(away)
        errand.away = False
        return answers

    def seat(self, taken: Taken[Entry]) -> None:
        """It is the turn of an entry that is away: it has a slot again."""
        away = self.away[taken.entry.seq]
        away.seated = True
        away.run.chunk[0] = taken
        self._service.slots.retake()
        if away.ended:
            self._service.left(away.run)
        elif away.back is not None and not away.back.done():
            away.back.set_result(None)

    def keeps(self, run: ChunkRun) -> bool:
        """Whether a run whose handler has ended has to wait for a slot before it can leave it."""
        away = self.away.get(run.chunk[0].entry.seq)
        if away is None:
            return False
        if away.seated:
            del self.away[run.chunk[0].entry.seq]
            return False
        if not self._service.slots.is_open:
            self._dismiss(away)
            return True
        away.ended = True
        self._stand_in_line(away)
        return True

    def close(self) -> None:
        """The service stops: who is back may end without a slot."""
        for away in list(self.away.values()):
            if away.ended:
                self._dismiss(away)
            elif away.back is not None and not away.back.done():
                away.back.set_result(None)

    def clear(self) -> None:
        """Nothing runs any more."""
        self.away.clear()

    def _require(self, run: ChunkRun, count: int, seconds: float | None) -> None:
        limits, name = self._limits, self._service.name
        if self._service.definition.chunk_size > 1:
            raise CalloutsError(f"{name} has a chunk_size above 1, so that others would wait for this event")
        if run.opened:
            raise CalloutsError("self.db was used before: its transaction would stay open meanwhile; use it afterwards")
        if run.chunk[0].entry.seq in self.away:
            raise CalloutsError("callouts are waited for already; put all of them into one list")
        if not 1 <= count <= limits.max_callouts:
            raise CalloutsError(f"{count} at once, where 1 to {limits.max_callouts} are allowed (max_callouts)")
        if run.errand is not None and run.errand.rounds >= limits.max_callout_rounds:
            raise CalloutsError(f"only {limits.max_callout_rounds} times for each attempt (max_callout_rounds)")
        if seconds is not None and not 0 < seconds <= limits.callout_seconds:
            told = f"must be above 0 and at most {limits.callout_seconds:g} (callout_seconds), not {seconds}"
            raise CalloutsError(f"timeout_seconds {told}")

    def _leave(self, run: ChunkRun) -> Away | None:
        """Give the slot of a run back; not where so many are away that their memory counts."""
        if len(self.away) >= self._limits.max_waiting_callouts:
            return None
        service, taken = self._service, run.chunk[0]
        entry = taken.entry
        key = taken.key if taken.key is not None else f"\0{entry.seq}"
        away = self.away[entry.seq] = Away(run, key)
        assert run.delivery is not None, "a handler asks for it"
        service.fair.hold_key(taken.tenant, key, [entry])
        service.fair.complete(taken, run.delivery.pause())
        service.slots.lend()
        service.pump()
        return away

    async def _return(self, away: Away) -> None:
        if not away.seated and self._service.slots.is_open:
            away.back = asyncio.get_running_loop().create_future()
            self._stand_in_line(away)
            await away.back
        if away.seated:
            del self.away[away.run.chunk[0].entry.seq]
        assert away.run.delivery is not None, "it went away"
        away.run.delivery.go_on()

    def _stand_in_line(self, away: Away) -> None:
        self._service.fair.resume_key(away.run.chunk[0].tenant, away.key, first=True)
        self._service.pump()

    def _dismiss(self, away: Away) -> None:
        del self.away[away.run.chunk[0].entry.seq]
        self._service.dismiss(away.run)


async def _gathered(calls: Sequence[Awaitable[Any]], seconds: float) -> list[Any]:
    """What each came to, in their order. Cancelled, it waits for them to end."""
    tasks = [new_task(_within(call, seconds)) for call in calls]
    try:
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
        if not all(task.done() for task in tasks):
            await asyncio.wait(tasks)
    return [
        ActorError("a callout was cancelled from within") if isinstance(answer, asyncio.CancelledError) else answer
        for answer in answers
    ]


async def _within(call: Awaitable[Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds) as scope:
            return await call
    except TimeoutError:
        if not scope.expired():  # its own
            raise
        raise CalloutTimeoutError(seconds) from None
