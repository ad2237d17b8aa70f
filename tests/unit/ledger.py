"""A small app whose ledger is closed by schedules, and what tests ask of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from actors import Actor, Backoff, RetryPolicy
from runtime import App, Running
from runtime.core.schedule import Schedule
from runtime.core.schedule_standing import Standing
from runtime.testing import Kit

HOUR = 3600.0


class Close(msgspec.Struct):
    day: int = 1


class Open(msgspec.Struct):
    pass


class Ledger(Actor):
    async def close(self, close: Close) -> None: ...
    async def open(self, opening: Open) -> None: ...


class Book(msgspec.Struct):
    closed: int = 0


class Books(Actor):
    state: Book

    def state_label(self) -> str:
        return "open" if self.state.closed < 2 else "closed"

    def state_ended(self) -> bool:
        return self.state.closed == 2

    async def close(self, close: Close) -> None:
        self.state.closed += 1


RETRY = RetryPolicy(attempts=2, backoff=Backoff(initial_seconds=150, max_seconds=150, jitter=0))


def closing_app() -> App:
    app = App("closing")
    app.service("ledger", Ledger, retry=RETRY)
    app.service("books", Books, keyed=True)
    return app


async def standing(kit: Kit, name: str = "nightly", tenant: str = "acme") -> Standing:
    found = (await kit.running.operations.schedules.schedule(tenant, name)).standing
    found.validate()
    return found


async def looked_at(running: Running, name: str) -> Standing:
    """The standing of a schedule that was due when the app started."""
    while True:
        await running.schedules.fire_due()
        found = (await running.operations.schedules.schedule("acme", name)).standing
        if found.runs or found.held:
            return found
        await asyncio.sleep(0)


def minutely(app: App, **fields: Any) -> Schedule:
    usual: dict[str, Any] = {"cron": "* * * * *", "to": "ledger", "message": Close(), "tenant": "acme"}
    return app.schedule("nightly", **{**usual, **fields})


def given(**fields: Any) -> Schedule:
    usual: dict[str, Any] = {
        "tenant": "acme",
        "name": "weekly",
        "cron": "* * * * *",
        "service": "ledger",
        "type": "Close",
        "payload": msgspec.Raw(b'{"day": 2}'),
    }
    return Schedule(**{**usual, **fields})
