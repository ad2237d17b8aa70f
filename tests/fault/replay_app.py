"""An app whose events are run again by a request that is asked for at each start. Runs until all is done."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

import msgspec

from actors import Actor
from runtime import App, Enqueue, Settings
from runtime.store.replays import ReplayFilter

EVENTS = 2_500
TABLES = "CREATE TABLE IF NOT EXISTS done (n int NOT NULL)"


class Step(msgspec.Struct):
    n: int


class Stepper(Actor):
    async def step(self, step: Step) -> None:
        await self.db.execute("INSERT INTO done VALUES ($1)", step.n)


def replay_app() -> App:
    app = App("test")
    app.tables(TABLES)
    app.service("steps", Stepper, chunk_size=100)
    return app


async def main(database: str, request_id: UUID | None) -> None:
    app = replay_app()
    async with app.running(Settings(database=database)) as running:
        if request_id is None:
            await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant=f"t{n % 5}") for n in range(EVENTS)])
        else:
            replays = running.operations.replays
            which = ReplayFilter(service="steps")
            await replays.start(which, by="ann", confirm=True, request_id=request_id)
            await replays.wait(request_id)
        await running.wait_idle("steps")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], UUID(sys.argv[2]) if len(sys.argv) > 2 else None))
