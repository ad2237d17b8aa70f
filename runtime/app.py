"""An app: services, their tables, and the way to run them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from actors.actor import Actor
from actors.context import Clock
from actors.errors import SpecError
from actors.job import Finalizer, Signature
from actors.message import Message
from actors.ref import Ref
from actors.supervisor_ref import SupervisorRef
from actors.tree import SupervisorSpec, check_tree
from runtime.collector import fewer_collections
from runtime.configuration import with_file
from runtime.core.names import NAME
from runtime.core.policy import NOTHING_SET, Policy, Scope, require_policy
from runtime.core.profile import FAIR, SchedulingProfile, profile_of
from runtime.core.schedule import Overlap, Schedule
from runtime.definition import ServiceDefinition
from runtime.durable.outbox import posted_of
from runtime.errors import InvalidInputError, RuntimeFaultError
from runtime.extension import Extension
from runtime.job import Job
from runtime.parts import PART_NAMES
from runtime.running import Running
from runtime.scheduling import declared
from runtime.settings import Settings
from runtime.store.outbox import SqlConnection
from runtime.store.port import AppStore
from runtime.store.records import Claiming


class NotRunningError(RuntimeFaultError):
    """The app is asked for something that it can do only while it runs."""


class Enqueue(msgspec.Struct, frozen=True, kw_only=True):
    """One event of many: see `App.enqueue` for the fields."""

    message: Message
    tenant: str
    key: str | None = None
    id: UUID | None = None
    finalizer: Finalizer | None = None
    signature: str | Signature | None = None


class App:
    """What an app consists of. Declare it in a module; `postroom run MODULE:APP` runs it.

    Raises:
        SpecError: the name is not a lower-case word.
    """

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise SpecError("name", f"{name!r} must be a lower-case word of at most 63 letters, digits, - or _")
        self.name = name
        self._services: dict[str, ServiceDefinition] = {}
        self._trees: list[SupervisorSpec] = []
        self._tables: list[str] = []
        self._extensions: list[Extension] = []
        self._policies: dict[Scope, Policy] = {}
        self._profile = FAIR
        self._schedules: dict[tuple[str, str], Schedule] = {}
        self._running: Running | None = None

    @property
    def services(self) -> Mapping[str, ServiceDefinition]:
        return MappingProxyType(self._services)

    def service(self, name: str, actor: type[Actor], **settings: Any) -> ServiceDefinition:
        """Register an actor class under a name; `settings` are the fields of `ServiceDefinition`.

        Raises:
            SpecError: a setting is out of range or unknown, the class has no handlers, or the name is taken.
        """
        if name in self._services:
            raise SpecError("name", f"a service is named {name!r} already")
        unknown = set(settings) - set(ServiceDefinition.__struct_fields__)
        if unknown:
            raise SpecError(min(unknown), f"is no setting of a service; there are {', '.join(_SETTINGS)}")
        definition = ServiceDefinition(name=name, actor=actor, **settings)
        self._services[name] = definition
        return definition

    def tree(self, spec: SupervisorSpec) -> SupervisorSpec:
        """Have a tree of actors run with the app. It starts before the services and stops after them.

        `ref("pipeline/parser")` finds an actor in it, `supervisor("pipeline")` a supervisor.

        Raises:
            SpecError: the tree contradicts itself (`field` is the path), or its name is taken.
        """
        check_tree(spec)
        if not NAME.fullmatch(spec.name):
            raise SpecError("name", f"{spec.name!r} must be a lower-case word of at most 63 letters, digits, - or _")
        if spec.name in PART_NAMES or any(spec.name == tree.name for tree in self._trees):
            raise SpecError("name", f"a part of the app is named {spec.name!r} already; name the tree otherwise")
        self._trees.append(spec)
        return spec

    def tables(self, sql: str) -> None:
        """Have SQL run at every start, before the services start, in one transaction under a lock.

        It must be idempotent: `create table if not exists ...`.
        """
        self._tables.append(sql)

    def extend(self, extension: Extension) -> None:
        """Plug in what brings routes of its own, and has something to do at every start."""
        self._extensions.append(extension)

    def tenant(self, name: str, *, service: str | None = None, **settings: Any) -> None:
        """Set the share, caps and limits of a tenant, over all services or in one; `*` is each that is not named.

        `settings` are the fields of `Policy`. What people set while the app runs is laid over them.

        Raises:
            SpecError: a setting is unknown, out of range or means nothing here.
        """
        self._set(Scope(service, name), settings)

    def schedule(
        self,
        name: str,
        *,
        cron: str,
        to: str | ServiceDefinition,
        message: Message,
        tenant: str,
        timezone: str = "UTC",
        key: str | None = None,
        overlap: Overlap = "skip",
        catch_up_seconds: float | None = None,
    ) -> Schedule:
        """Have a message go to a service, declared before, at each moment of a cron expression.

        `cron` has five fields, as in `*/5 * * * *`: a minute is the shortest step. See `runtime.core.schedule.Schedule`
        for the fields. A tenant's schedules have names of their own. The schedule is the code's: while the app runs,
        people can pause it, and not change it; it goes when the code declares it no more.

        Raises:
            SpecError: a field is wrong, the service does not take the message, or the tenant has one of that name.
        """
        schedule = declared(
            self._services,
            name,
            to=to,
            message=message,
            tenant=tenant,
            cron=cron,
            timezone=timezone,
            key=key,
            overlap=overlap,
            catch_up_seconds=catch_up_seconds,
        )
        if (tenant, name) in self._schedules:
            raise SpecError("name", f"{tenant} has a schedule {name!r} already")
        self._schedules[tenant, name] = schedule
        return schedule

    def profile(self, profile: str | SchedulingProfile) -> None:
        """Choose the rules beside fair share: `fair`, which is the default, `salesforce`, or some of one's own.

        Raises:
            SpecError: there is none of that name.
        """
        self._profile = profile_of(profile)

    def limits(self, service: str | None = None, **settings: Any) -> None:
        """Set caps and limits of a service, or of the whole app. As `tenant`."""
        self._set(Scope(service), settings)

    def _set(self, scope: Scope, settings: dict[str, Any]) -> None:
        unknown = set(settings) - set(Policy.__struct_fields__)
        if unknown:
            raise SpecError(min(unknown), f"is no setting of a policy; there are {', '.join(Policy.__struct_fields__)}")
        policy = Policy(**settings).over(self._policies.get(scope, NOTHING_SET))
        require_policy(scope, policy)
        self._policies[scope] = policy

    @contextlib.asynccontextmanager
    async def running(
        self, settings: Settings | None = None, *, store: AppStore | None = None, clock: Clock | None = None
    ) -> AsyncIterator[Running]:
        """Run the app inside an `async with` block.

        `store` and `clock` take the place of those that the settings stand for, as in `runtime.testing`.

        Raises:
            RuntimeFaultError: it runs already.
            PostroomError: it cannot start; nothing is left running.
        """
        if self._running is not None:
            raise RuntimeFaultError(f"{self.name} is running already")
        settings = settings or Settings()
        self._running = running = Running(
            self.name,
            self._services,
            self._tables,
            settings,
            configuration=with_file(self._profile, self._policies, settings.config, self._services),
            trees=self._trees,
            extensions=self._extensions,
            schedules=tuple(self._schedules.values()),
            store=store,
            clock=clock,
        )
        try:
            with fewer_collections():
                await running.start()
                yield running
        finally:
            self._running = None
            await running.stop()

    async def enqueue(
        self,
        service: str,
        message: Message,
        *,
        tenant: str,
        key: str | None = None,
        id: UUID | None = None,  # noqa: A002 # the word people expect
        delay_seconds: float = 0.0,
        wait_seconds: float = 0.0,
        finalizer: Finalizer | None = None,
        signature: str | Signature | None = None,
        connection: SqlConnection | None = None,
        by: str = "app",
    ) -> UUID:
        """Accept an event and return its id once it is on disk.

        `id` is a UUIDv7; enqueueing twice with one id is harmless. Events of one tenant, service and key are handled
        one at a time, in the order accepted. `finalizer` is told how it ended. While another event holds the
        `signature`, nothing is stored, and its id is the answer. While the database is away the call waits. Where a
        limit is reached, it waits for room for up to `wait_seconds`.

        With a `connection` (asyncpg's, on the app's own database) the event joins the transaction that is open there:
        it is accepted if that commits. The connection's role needs INSERT on the table `outbox` of the app's schema.

        Raises:
            UnknownServiceError, InvalidInputError: nothing was stored.
            LimitError, ClosedError: a limit is reached, or the tenant takes no events; nothing was stored.
            NotRunningError: outside `running`.
        """
        running = self._require_running()
        event = running.admission.event(
            service, message, tenant=tenant, key=key, by=by, event_id=id, finalizer=finalizer
        )
        record = running.admission.delayed(event, delay_seconds) if delay_seconds else event
        if connection is not None:
            if signature is not None:
                raise InvalidInputError("signature", "cannot join another's transaction: leave it or connection out")
            await running.store.outbox.put(connection, posted_of(event, delay_seconds))
            return event.id
        if signature is not None:
            return (await running.intake.accept(record, signature, wait_seconds)).id
        await running.intake.append_one(record, wait_seconds)
        return event.id

    async def submit(
        self,
        service: str,
        message: Message,
        *,
        tenant: str,
        key: str | None = None,
        id: UUID | None = None,  # noqa: A002 # the word people expect
        delay_seconds: float = 0.0,
        finalizer: Finalizer | None = None,
        signature: str | Signature | None = None,
        by: str = "app",
    ) -> Job:
        """As `enqueue`, and return the job: its status, its end, its result, and whether it is a duplicate."""
        running = self._require_running()
        admission = running.admission
        event = admission.event(service, message, tenant=tenant, key=key, by=by, event_id=id, finalizer=finalizer)
        receipt = await running.intake.accept(admission.delayed(event, delay_seconds), signature)
        return Job(receipt.id, running.operations.jobs, running, duplicate=receipt.duplicate)

    def job(self, job_id: UUID) -> Job:
        """The job, or event, with an id. Nothing is asked of the database yet."""
        running = self._require_running()
        return Job(job_id, running.operations.jobs, running)

    async def enqueue_many(
        self, service: str, many: Iterable[Enqueue], *, wait_seconds: float = 0.0, by: str = "app"
    ) -> list[UUID]:
        """Accept many events in as few commits as they need, and return their ids once all are on disk.

        Every one is checked before the first is stored. Raises as `enqueue`.
        """
        running = self._require_running()
        many = list(many)
        events = running.admission.events(service, many, by=by)
        if any(each.signature is not None for each in many):
            records = [
                event if each.signature is None else running.admission.claiming(event, each.signature)
                for event, each in zip(events, many, strict=True)
            ]
            await running.append(records, wait_seconds)
            return [each.claim.holder or each.claim.id if isinstance(each, Claiming) else each.id for each in records]
        await running.append(events, wait_seconds)
        return [event.id for event in events]

    def ref(self, service: str, *, tenant: str | None = None, key: str | None = None) -> Ref:
        """The reference of a service's actor, or of the actor at a path in a tree, for messages in memory.

        Raises UnknownServiceError, or NotFoundError for a path.
        """
        return self._require_running().machinery.lookup(service, tenant, key)

    def supervisor(self, path: str) -> SupervisorRef:
        """A supervisor of a tree, for operations on its children. Raises NotFoundError."""
        return self._require_running().machinery.supervisor_at(path)

    def _require_running(self) -> Running:
        if self._running is None:
            raise NotRunningError(f"{self.name} is not running; use `async with app.running():`")
        return self._running


_SETTINGS = [field for field in ServiceDefinition.__struct_fields__ if field not in {"name", "actor"}]
