"""An app with schedules whose moments come when a test says so. Runs until all is done, or until it is killed."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from actors import Actor
from runtime import App, Settings

TENANTS = ("t1", "t2", "t3")
SCHEDULES = 80
"""Of each tenant: more than one commit is about."""
STAY = "stay"
TABLES = "CREATE TABLE IF NOT EXISTS done (tenant text NOT NULL, n int NOT NULL)"
COME = """
UPDATE postroom.schedule
SET look_at = 0, revision = nextval('postroom.schedule_revision'),
    standing = jsonb_set(
        standing::jsonb, '{next_at}', to_jsonb(60 * floor(extract(epoch FROM clock_timestamp()) / 60))
    )::text
"""
"""Has the moment at hand come once more."""


class Step(msgspec.Struct):
    n: int


class Stepper(Actor):
    async def step(self, step: Step) -> None:
        await self.db.execute("INSERT INTO done VALUES ($1, $2)", self.ctx.tenant, step.n)


def schedules_app() -> App:
    app = App("test")
    app.tables(TABLES)
    steps = app.service("steps", Stepper, chunk_size=100)
    for tenant in TENANTS:
        for n in range(SCHEDULES):
            app.schedule(f"s{n}", cron="0 0 1 1 *", to=steps, message=Step(n), tenant=tenant, overlap="allow")
    return app


async def main(database: str, *, stays: bool) -> None:
    async with schedules_app().running(Settings(database=database)) as running:
        if stays:
            await running.wait_stopped()
        while (look := await running.store.schedules.next_look()) is not None and look <= running.clock.now():  # noqa: ASYNC110 # it can only be looked at
            await asyncio.sleep(0.02)
        await running.wait_idle("steps")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], stays=STAY in sys.argv))
