"""A saga of two steps, and how many events it took."""

from __future__ import annotations

import msgspec

from actors import Actor, current_event
from runtime import App, Running
from sagas import Flow, Sagas

EVENTS = "SELECT service, count(*) AS n FROM postroom.event WHERE service IN ('sagas', 'work') GROUP BY service"


class Go(msgspec.Struct):
    n: int


class Worker(Actor):
    async def go(self, go: Go) -> int:
        event = current_event()
        assert event is not None
        return go.n + 1


def two_steps() -> tuple[App, Sagas]:
    app = App("test")
    app.service("work", Worker)
    sagas = Sagas(app)
    flow = Flow("two").step("a", "work", "{n: input}", output="a").step("b", "work", "{n: a}", output="b")
    sagas.register(flow.definition(result="b"), input=int)
    return app, sagas


async def counts(running: Running) -> dict[str, int]:
    return {row["service"]: row["n"] for row in await running.database.fetch(EVENTS)}
