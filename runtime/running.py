"""The composition root: chooses the store, puts the parts together, supervises them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from actors.context import Clock
from actors.database import Database
from actors.spec import Intensity, Supervision
from actors.tree import SupervisorSpec
from runtime.app_operations import AppOperations
from runtime.assembly import assemble
from runtime.clock import SystemClock
from runtime.configuration import NOT_CONFIGURED, Configuration
from runtime.core.caps import Caps
from runtime.core.limits import Limits
from runtime.core.policy_book import PolicyBook
from runtime.core.portions import Portions
from runtime.core.schedule import Schedule
from runtime.core.supervision_errors import describe
from runtime.definition import ServiceDefinition
from runtime.durable.aborts import Aborts
from runtime.durable.backlog import Backlog
from runtime.durable.commit_group import Record
from runtime.durable.demands import Demands
from runtime.durable.divider import Divider
from runtime.durable.grants import Grants
from runtime.durable.intake import Intake
from runtime.durable.lease_keeper import LeaseKeeper
from runtime.durable.membership import LOST, LOST_STOP_SECONDS, Membership, own_label
from runtime.durable.outbox import LOOK_SECONDS, Outbox
from runtime.durable.placement import Placement
from runtime.durable.policy_keeper import PolicyKeeper
from runtime.durable.pulse import Pulse
from runtime.durable.replays import Replays
from runtime.durable.retention import Retention
from runtime.durable.schedule_desk import ScheduleDesk
from runtime.durable.schedules import Schedules
from runtime.durable.service import Service
from runtime.embedded import SharedServer
from runtime.errors import AppStoppedError, LeaseLostError, ResultNotKeptError, ServerEndedError
from runtime.extension import Extension
from runtime.http import HttpServer
from runtime.opening import open_store
from runtime.operations import Operations, Readiness
from runtime.parts import Part
from runtime.settings import SECONDS_PER_DAY, Settings
from runtime.store.membership import MemberProfile
from runtime.store.port import AppStore
from runtime.supervision.child import Child, ChildSpec
from runtime.supervision.supervisor import Supervisor
from runtime.tree import TreeNode
from runtime.trees.making import make_supervisor

ROOT_INTENSITY = Intensity(max_restarts=5, period_seconds=10.0)
SERVICES_INTENSITY = Intensity(max_restarts=3, period_seconds=10.0)
PART = Supervision(shutdown_seconds=10.0)
STOP_SECONDS = 60.0
HTTP_STOP_SECONDS = 5.0


class Running:
    """An app at work. Made by `App.running`.

    The tree: `postgres` (embedded server only), `store`, `retention`, `journal`, `delays`, `aborts`, `replays`,
    `outbox`, `refill`, `watermarks`, `suspects`, `pulse`, `policies`, `portions`, the app's own trees, `services`,
    `extensions` (where there are any), `schedules`, `members`, `moves`, `http`. Children start in this order and stop
    in the reverse, so that services find everything they need, shards go to others before their services stop, and what
    is still to be recorded is written before the store closes.
    """

    def __init__(
        self,
        name: str,
        services: Mapping[str, ServiceDefinition],
        tables: Sequence[str],
        settings: Settings,
        *,
        configuration: Configuration = NOT_CONFIGURED,
        trees: Sequence[SupervisorSpec] = (),
        extensions: Sequence[Extension] = (),
        schedules: Sequence[Schedule] = (),
        store: AppStore | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self._extensions = extensions
        self.incarnation = uuid.uuid4()
        self.clock = clock or SystemClock()
        self._random = random.Random()  # noqa: S311 # spreads retries and restarts; no secret depends on it
        self._server = None if settings.database or store else SharedServer(settings.data_dir)
        self.store = store or open_store(settings, self._server, name)
        self.book = PolicyBook(configuration.policies)
        self.portions = Portions(shards=0)
        self.limits = Limits(self.book, self.portions)
        self.machinery = assemble(
            *(name, services, settings),
            store=self.store,
            limits=self.limits,
            caps=Caps(self.book, {each: services[each].slots_per_event for each in services}, self.portions),
            profile=configuration.profile,
            clock=self.clock,
            random=self._random,
        )
        self.admission = self.machinery.admission
        self.intake = Intake(self.machinery)
        self.membership = Membership(
            *(self.machinery, self.incarnation, name, Grants(self.machinery, self.book, settings.window).take),
            lease_seconds=settings.lease_seconds,
        )
        self.keeper = LeaseKeeper(
            self.store,
            self.incarnation,
            MemberProfile(label=own_label(name)),
            tables,
            settle=self.membership.settle,
            unclean=self.membership.unclean,
            wait_seconds=settings.database_wait_seconds,
        )
        self._services = self._build_services(services)
        self.placement = Placement(self._services, self.admission.new_id, lambda: self.membership.keeps_new_work)
        self._trees = trees
        for tree in trees:
            self.machinery.trees.add(make_supervisor(tree, f"{name}/{tree.name}", self.machinery))
        self.policies = PolicyKeeper(
            *(self.store.policies, self.book, self.limits, self.machinery.caps),
            *(self.machinery.gate, self._services, self.clock),
        )
        self.divider = Divider(
            self.store.policies.portions,
            self.incarnation,
            self.portions,
            Demands(self._services, self.policies, self.machinery.caps, self.limits, self.clock),
            apply=self.policies.apply_parts,
            owned=lambda: len(self.backlog.shards),
            sole=lambda: self.membership.sole,
        )
        self.aborts = Aborts(self.machinery)
        self.replays = Replays(self.machinery)
        self._declared_schedules = schedules
        self.schedules = Schedules(self.machinery)
        self.schedule_desk = ScheduleDesk(self.store.schedules, self.admission, self.clock, most=settings.max_schedules)
        self.operations: Operations = AppOperations(self)
        self._http = self._build_http()
        self._root = Supervisor(
            name,
            list(self._child_specs()),
            intensity=ROOT_INTENSITY,
            clock=self.clock,
            random=self._random,
        )
        self._started = False

    @property
    def url(self) -> str | None:
        """Where HTTP is served, or None."""
        return self._http.url if self._http else None

    @property
    def server_pid(self) -> int | None:
        """The process id of the embedded server, if there is one and it runs."""
        return self._server.pid if self._server else None

    @property
    def database(self) -> Database:
        """The app's database, each statement by itself. For reading, and for what no event does."""
        return self.store.database

    @property
    def last_seq(self) -> int:
        """The end of the event log, as far as this process knows."""
        return self.machinery.backlog.position

    @property
    def backlog(self) -> Backlog:
        return self.machinery.backlog

    async def start(self) -> None:
        """Raises the PostroomError that keeps it from starting; then nothing is left running."""
        self._started = True
        await self._root.start(lambda _reason: None)

    async def stop(self) -> None:
        """Stop in reverse order: finish what runs, record it, close. Safe twice and before `start`."""
        if self._started:
            lost = self.membership.lost.is_set() or self.keeper.refused.is_set()
            await self._root.stop(LOST_STOP_SECONDS if lost else STOP_SECONDS)
            await self.machinery.run_queue.close()

    async def wait_stopped(self) -> BaseException | None:
        """Wait until the app has stopped; returns why it gave up, or None.

        Where others took this process for dead, it returns LeaseLostError at once, and AnotherClusterError where the
        address leads to another cluster than before: all that is left to do is to stop.
        """
        stopped = asyncio.ensure_future(self._root.wait_stopped())
        ends = [stopped, *(asyncio.ensure_future(each.wait()) for each in (self.membership.lost, self.keeper.refused))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self.keeper.refusal is not None:
                return self.keeper.refusal
            return stopped.result() if stopped.done() else LeaseLostError(LOST)
        finally:
            for each in ends:
                each.cancel()

    def node(self) -> TreeNode:
        return self._root.node()

    def result_type(self, service: str, message: str) -> Any:
        """See `runtime.job.ResultTypes`. Raises UnknownServiceError, ResultNotKeptError."""
        codec, definition = self.admission.codec(service), self._services[service].definition
        if not definition.keep_results:
            raise ResultNotKeptError(f"{service} keeps no results; declare it with keep_results=True")
        return codec.result_type(message)

    async def append(self, records: Sequence[Record], wait_seconds: float = 0.0) -> None:
        """As `Intake.append`."""
        await self.intake.append(records, wait_seconds)

    async def wait_idle(self, service: str) -> None:
        """Return when every accepted event of a service has its final outcome on disk, retries included.

        Events that other processes handle count, too.

        Raises:
            AppStoppedError: the app gave up, or was stopped, before that.
        """
        idle = asyncio.ensure_future(self._wait_idle(service))
        stopped = asyncio.ensure_future(self.wait_stopped())
        try:
            await asyncio.wait({idle, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not idle.done():
                reason = stopped.result()
                cause = f": {describe(reason)}" if reason else ""
                raise AppStoppedError(f"the app stopped before {service} had come to rest{cause}") from reason
            idle.result()
        finally:
            idle.cancel()
            stopped.cancel()

    async def _wait_idle(self, service: str) -> None:
        while True:
            progress = self.backlog.progress()
            if self._is_quiet(service) and await self.store.outbox.waiting(1):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if not self.backlog.whole:
                if not await self.store.has_unfinished(service):
                    return
                await asyncio.sleep(self.settings.pulse_seconds)
                continue
            if self._is_quiet(service) and await self.store.next_due() is None and self._is_quiet(service):
                return
            await asyncio.shield(progress)  # others wait for the same future

    async def outcome_counts(self, service: str, since_seq: int) -> Sequence[tuple[str, int, int, int]]:
        """Per tenant of a service after `since_seq`: (tenant, events accepted, done, dead)."""
        return await self.store.outcome_counts(service, since_seq)

    def readiness(self) -> Readiness:
        reasons = [reason for reason in (self.keeper.waiting_for, self.machinery.journal.waiting_for) if reason]
        if not self.keeper.ready:
            reasons.append("starting: the log has not been read yet")
        return Readiness(ready=not reasons, reasons=reasons)

    def _build_services(self, definitions: Mapping[str, ServiceDefinition]) -> Mapping[str, Service]:
        path = f"{self.name}/services"
        services = {
            name: Service(definition, f"{path}/{name}", self.machinery, self._explained)
            for name, definition in definitions.items()
        }
        self.machinery.services.update(services)
        self._supervisor = Supervisor(
            "services",
            [ChildSpec(service, service.definition.supervision) for service in services.values()],
            intensity=SERVICES_INTENSITY,
            clock=self.clock,
            random=self._random,
        )
        return services

    def _build_http(self) -> HttpServer | None:
        if self.settings.http is None:
            return None
        return HttpServer(
            self.operations,
            self.settings.http,
            clock=self.clock,
            incarnation=self.incarnation,
            data_dir=None if self.settings.database else self.settings.data_dir,
            max_payload_bytes=self.settings.max_payload_bytes,
            routes=[route for extension in self._extensions for route in extension.routes],
        )

    def _child_specs(self) -> Iterator[ChildSpec]:
        yield from (ChildSpec(child, PART) for child in self._lower_parts())
        for tree, supervisor in zip(self._trees, self.machinery.trees, strict=True):
            yield ChildSpec(supervisor, tree.supervision)
        yield from (ChildSpec(child, PART) for child in self._upper_parts())

    def _lower_parts(self) -> Iterator[Child]:
        server, clock, machinery = self._server, self.clock, self.machinery
        journal, backlog = machinery.journal, machinery.backlog
        retention = Retention(self.store, clock, self.settings.retention_days * SECONDS_PER_DAY)
        if server is not None:
            yield Part("postgres", clock=clock, opening=server.start, work=self._watch_server, closing=server.stop)
        yield Part(
            "store",
            clock=clock,
            opening=self.keeper.open,
            work=self.keeper.run,
            closing=self.keeper.close,
            detail=self.keeper.detail,
        )
        yield Part("retention", clock=clock, opening=retention.open, work=retention.run, detail=retention.detail)
        yield Part(
            "journal",
            clock=clock,
            work=journal.run,
            draining=journal.flush,
            closing=journal.close,
            detail=journal.detail,
        )
        yield Part("delays", clock=clock, work=machinery.delays.run)
        yield Part("aborts", clock=clock, work=self.aborts.run)
        yield Part("replays", clock=clock, work=self.replays.run)
        yield Part("outbox", clock=clock, opening=self._tell_limits, work=Outbox(machinery).run)
        yield Part("refill", clock=clock, work=backlog.run_refill, detail=backlog.detail)
        yield Part("watermarks", clock=clock, work=backlog.run_watermarks, draining=backlog.save_watermarks)
        yield Part("suspects", clock=clock, work=machinery.suspects.run, detail=machinery.suspects.detail)
        pulse = Pulse(
            *(self.store, backlog, machinery.delays, machinery.appending, clock),
            pulse_seconds=self.settings.pulse_seconds,
        )
        yield Part("pulse", clock=clock, work=pulse.run)
        policies = self.policies
        yield Part(
            "policies",
            clock=clock,
            opening=policies.open,
            work=policies.run,
            draining=policies.save_usage,
            detail=policies.detail,
        )
        yield Part("portions", clock=clock, opening=self.divider.exchange, work=self.divider.run)

    def _upper_parts(self) -> Iterator[Child]:
        yield self._supervisor
        if self._extensions:
            yield Part("extensions", clock=self.clock, opening=self._start_extensions)
        yield Part("schedules", clock=self.clock, opening=self._declare_schedules, work=self.schedules.run)
        yield Part("members", clock=self.clock, work=self.membership.run, detail=self.membership.detail)
        yield Part("moves", clock=self.clock, work=self.membership.run_moves, draining=self.membership.leave)
        if (http := self._http) is not None:
            yield Part("http", clock=self.clock, opening=http.start, closing=partial(http.stop, HTTP_STOP_SECONDS))

    async def _start_extensions(self) -> None:
        for extension in self._extensions:
            await extension.started(self)

    async def _declare_schedules(self) -> None:
        await self.schedule_desk.declare(self._declared_schedules, by=self.name)

    async def _tell_limits(self) -> None:
        settings = self.settings
        await self.store.outbox.set_limits(settings.max_payload_bytes, settings.max_delay_seconds)

    async def _watch_server(self) -> None:
        assert self._server is not None
        raise ServerEndedError(f"the embedded PostgreSQL server ended: {await self._server.wait_exit()}")

    def _is_quiet(self, service: str) -> bool:
        return not self._services[service].busy and not self.backlog.unfinished(service)

    def _explained(self, service: str, reason: BaseException) -> None:
        self._supervisor.explained_exit(service, reason)
