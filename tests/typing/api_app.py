"""The public API of `runtime`, as `api` does for an app: settings of services, jobs, limits, extensions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors import Actor, Breaker
from runtime import App, ByRunTime, BySize, ServiceDefinition


class Ask(msgspec.Struct):
    text: str


class Answerer(Actor):
    async def answer(self, ask: Ask) -> str:
        return ask.text


app = App("answers")
app.service(
    "answers",
    Answerer,
    slots=4,
    slots_per_event=2,
    keep_results=True,
    deepens=False,
    joins_endings=False,
    rerun_guard=None,
    timeout_seconds=10.0,
    max_state_bytes=1024,
    batch=True,
    work_class="small",
    classes=BySize(medium_bytes=10_000, large_bytes=1_000_000, guarantees={"small": 0.5}),
    breaker=Breaker(window=50, ratio=0.8, pause_seconds=10.0, max_pause_seconds=60.0),
)
by_run_time = ByRunTime(medium_seconds=1.0, large_seconds=30.0, guarantees={"unknown": 0.1}, runs_seen=5)
services: Mapping[str, ServiceDefinition] = app.services
app.schedule(
    "nightly",
    cron="0 3 * * *",
    timezone="Europe/Athens",
    to="answers",
    message=Ask("a"),
    tenant="acme",
    key="{moment}",
    overlap="queue",
    catch_up_seconds=60.0,
)
app.profile("salesforce")
app.limits("answers", backlog=10)


async def use_jobs() -> str:
    job = await app.submit("answers", Ask("a"), tenant="acme")
    answer: str = await app.job(job.id).result(str, timeout_seconds=5.0)
    return answer
