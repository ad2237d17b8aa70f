"""The machinery of an app, put together: each part is given those it needs, in the order of their needs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from actors.context import Clock
from runtime.cells.run_queue import RunQueue
from runtime.core.caps import Caps
from runtime.core.limits import Limits
from runtime.core.profile import SchedulingProfile
from runtime.definition import RerunGuard, ServiceDefinition
from runtime.durable.aborts import Skips
from runtime.durable.admission import Admission, limits_of
from runtime.durable.backlog import Backlog
from runtime.durable.callouts import callout_limits_of
from runtime.durable.delays import Delays
from runtime.durable.emissions import Emissions
from runtime.durable.gate import Gate
from runtime.durable.ids import IdSource
from runtime.durable.journal import Journal
from runtime.durable.reruns import Reruns
from runtime.durable.suspects import Suspects
from runtime.machinery import Machinery
from runtime.settings import Settings
from runtime.store.port import AppStore
from runtime.store.records import Batch
from runtime.trees.directory import Trees


def assemble(
    name: str,
    definitions: Mapping[str, ServiceDefinition],
    settings: Settings,
    *,
    store: AppStore,
    limits: Limits,
    caps: Caps,
    profile: SchedulingProfile,
    clock: Clock,
    random: random.Random,
) -> Machinery:
    """All that services share; the services themselves are added to it afterwards."""

    def written(batch: Batch) -> None:
        delays.expect(batch.delayed)

    def relieved() -> None:
        for service in machinery.services.values():
            service.pump()

    def guard_of(service: str) -> RerunGuard | None:
        return definitions[service].rerun_guard if service in definitions else None

    appending, ids = asyncio.Lock(), IdSource(clock.now)
    admission = Admission(definitions, limits_of(settings), ids=ids, clock=clock)
    backlog = Backlog(store, settings.window)
    delays = Delays(store, backlog, appending, clock)
    journal = Journal(
        store,
        appending=appending,
        admit=backlog.admit,
        recorded=backlog.recorded,
        on_written=written,
        on_relieved=relieved,
    )
    machinery = Machinery(
        store=store,
        journal=journal,
        backlog=backlog,
        profile=profile,
        caps=caps,
        gate=Gate(limits, store.policies, clock, backlog.progress, backlog.save_watermarks),
        delays=delays,
        admission=admission,
        emissions=Emissions(admission, limits_of(settings), ids=ids, clock=clock, beside=backlog.beside),
        appending=appending,
        reruns=Reruns(store, guard_of),
        skips=Skips(backlog),
        suspects=Suspects(store, journal.flush, backlog.watermark_of, backlog.shard),
        clock=clock,
        random=random,
        run_queue=RunQueue(development=settings.development),
        trees=Trees(name),
        callouts=callout_limits_of(settings),
    )
    return machinery
