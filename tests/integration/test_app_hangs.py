"""A durable event whose handler hangs: it follows its retry policy, and nothing else is held up."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import msgspec

from actors import Actor, Backoff, RetryPolicy, Supervision
from runtime import App
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server


class Call(msgspec.Struct):
    number: int
    hangs: int = 0
    """How many of its attempts hang."""


class Caller(Actor):
    attempts: ClassVar[list[tuple[int, int]]]
    lives: ClassVar[int]

    async def on_start(self) -> None:
        type(self).lives += 1

    async def call(self, call: Call) -> None:
        self.attempts.append((call.number, self.ctx.attempt))
        if self.ctx.attempt <= call.hangs:
            await asyncio.Event().wait()
        await self.db.execute("SELECT 1")


def callers(attempts: int = 2) -> App:
    Caller.attempts, Caller.lives = [], 0
    app = App("test")
    app.service(
        "calls",
        Caller,
        slots=1,
        supervision=Supervision(hang_seconds=0.1),
        retry=RetryPolicy(attempts=attempts, backoff=Backoff(initial_seconds=0.001, max_seconds=0.001)),
    )
    return app


async def test_a_hung_event_is_tried_again_by_a_fresh_actor_and_the_next_one_gets_the_slot(database: Server) -> None:
    app = callers()
    async with run(app, database) as running:
        await app.enqueue("calls", Call(1, hangs=1), tenant="t")
        await app.enqueue("calls", Call(2), tenant="t")
        await running.wait_idle("calls")
        assert sorted(Caller.attempts) == [(1, 1), (1, 2), (2, 1)]
        assert Caller.lives == 2
        assert await running.operations.dead_letters(DeadLetterFilter()) == []
        [actor] = running.machinery.services["calls"].node().children
        assert actor.restarts == 1
        assert actor.last_reason is not None
        assert actor.last_reason.startswith("HandlerHungError: test/services/calls/0: the handler of Call made no")


async def test_an_event_that_hangs_at_every_attempt_is_a_dead_letter_that_says_so(database: Server) -> None:
    app = callers()
    async with run(app, database) as running:
        event = await app.enqueue("calls", Call(1, hangs=9), tenant="t")
        await running.wait_idle("calls")
        letter = await running.operations.dead_letter(event)
        assert letter.cause.type == "actors.errors.HandlerHungError"
        assert "made no progress for 0.1 s and was cancelled" in letter.cause.message
        assert [attempt.outcome for attempt in letter.attempts] == ["retry", "dead"]
        await app.enqueue("calls", Call(2), tenant="t")
        await running.wait_idle("calls")
        assert Caller.attempts == [(1, 1), (1, 2), (2, 1)]
        assert next(node for node in running.node().children if node.name == "services").children[0].state == "running"
