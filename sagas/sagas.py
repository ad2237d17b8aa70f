"""Sagas in an app: what programs and people do with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from actors import Metadata, RetryPolicy
from actors.errors import SpecError
from runtime import App, Running
from runtime.core.schedule import RUN_ID, Overlap, Schedule
from runtime.errors import ConflictError, InvalidInputError, NotFoundError, StoreUnavailableError
from runtime.http.route import Route
from runtime.operations import MAX_PAGE
from runtime.store.audit import AuditEntry
from runtime.store.records import StateFilter
from runtime.store.schedules import StoredSchedule
from sagas.audit import entries
from sagas.catalog import Catalog
from sagas.code import Saga
from sagas.coordinator import SAGAS, Coordinator, instance_of, label_of
from sagas.definition import ONE_YEAR_SECONDS, Definition
from sagas.errors import RefusedError
from sagas.filters import SagaFilter
from sagas.library import LIBRARY, SYSTEM, Librarian
from sagas.machine import (
    Cancelled,
    Event,
    Instance,
    Repaired,
    Resumed,
    Retried,
    Signalled,
    Skipped,
    Status,
    Suspended,
    handle,
)
from sagas.messages import Begin, Happened, Revert
from sagas.repetition import other_start
from sagas.reruns import refuse_rerun
from sagas.routes import SagaRoutes
from sagas.scheduling import SagaScheduleBody, begin_by
from sagas.transfer import Transfer

BEGIN_SECONDS = 1.0
BEGIN_PAUSE_SECONDS = 0.05
FIRST_PAUSE_SECONDS = 0.01
MAX_PAUSE_SECONDS = 0.5
DEFAULT_MAX_SAGA_BYTES = 1024 * 1024
MAX_ID_CHARACTERS = 100
ENDED: frozenset[Status] = frozenset({"completed", "compensated", "cancelled"})
STATUSES: tuple[Status, ...] = get_args(Status)


class Sagas:
    """Plugs sagas into an app. Make it after the app's services and before the app runs.

    `slots` is how many sagas take a decision at once, `max_bytes` how large one may become, counted in JSON.
    """

    def __init__(self, app: App, *, slots: int = 256, max_bytes: int = DEFAULT_MAX_SAGA_BYTES) -> None:
        self._app = app
        self._services = app.services
        self._catalog = Catalog(app.services)
        coordinator = type("Coordinator", (Coordinator,), {"catalog": self._catalog})
        shared: dict[str, Any] = {"keyed": True, "chunk_size": 10, "deepens": False, "max_state_bytes": max_bytes}
        app.service(
            SAGAS,
            coordinator,
            slots=slots,
            instances=10_000,
            idle_seconds=30.0,
            retry=RetryPolicy(attempts=5),
            max_delay_seconds=ONE_YEAR_SECONDS,
            joins_endings=True,
            rerun_guard=refuse_rerun,
            metadata=Metadata(label="Sagas", description="decides what each saga does next"),
            **shared,
        )
        app.service(LIBRARY, Librarian, slots=1, metadata=Metadata(label="Definitions of sagas"), **shared)
        app.extend(self)

    @property
    def catalog(self) -> Catalog:
        return self._catalog

    @property
    def transfer(self) -> Transfer:
        """The way of sagas into other apps and from them. Raises SagaError unless the app runs."""
        return Transfer(self._catalog, self._services, self._catalog.running)

    @property
    def routes(self) -> Sequence[Route]:
        return SagaRoutes(self).all()

    async def started(self, running: Running) -> None:
        await self._catalog.started(running)

    def register(self, definition: Definition | type[Saga], input: Any = Any) -> None:  # noqa: A002 # its own word
        """Have the app run a saga. `input` is the type of its input; the services that it uses come first.

        A definition that has changed since the app's last run becomes a new version at its start. A saga that is
        written as code has its input and its version from its class.

        Raises:
            DefinitionError: it cannot run in this app; the error names step and field.
        """
        if isinstance(definition, type):
            self._catalog.register_code(definition)
        else:
            self._catalog.register(definition, input)

    async def start(
        self,
        saga: str,
        input: Any = None,  # noqa: A002 # as above
        *,
        tenant: str,
        id: str | None = None,  # noqa: A002 # the word people expect
        version: int | None = None,
        by: str = "app",
    ) -> str:
        """Start a saga and return its id once that is on disk. Starting twice with one id is harmless.

        Of several starts at the same moment with one id the first decides; a different one has its refusal in the
        saga's history.

        Raises:
            NotFoundError: there is no such saga or version.
            InvalidInputError: the input does not fit, or tenant, id or `by` is no name.
            ConflictError: another saga of the tenant has that id, or this one with another version or input.
        """
        running = self._catalog.running
        if id is not None and not 0 < len(id) <= MAX_ID_CHARACTERS:
            raise InvalidInputError("id", f"has {len(id)} characters; from 1 to {MAX_ID_CHARACTERS} are allowed")
        given = _json_of("input", input)
        catalog = self._catalog
        number = version or catalog.current_at_hand(saga) or await catalog.current(saga)
        if catalog.plan_at_hand(saga, number) is None:
            await catalog.plan(saga, number)
        catalog.require_input(saga, given)
        message = Begin(saga, given, by, version)
        if id is not None:
            event = running.admission.event(SAGAS, message, tenant=tenant, key=id, by=by)
            if not await self._is_repetition(message, tenant, id):
                await running.append([event])
            return id
        made, key = running.placement.new_key(SAGAS, tenant)
        event = running.admission.event(SAGAS, message, tenant=tenant, key=key, by=by, event_id=made)
        await running.intake.append_first(event, message)
        return key

    def schedule(
        self,
        name: str,
        saga: str,
        input: Any = None,  # noqa: A002 # as above
        *,
        cron: str,
        tenant: str,
        timezone: str = "UTC",
        overlap: Overlap = "skip",
        catch_up_seconds: float | None = None,
    ) -> Schedule:
        """Have a saga, registered before, start at each moment of a cron expression; see `App.schedule`.

        A run's id is the saga's, and it has ended when the saga has.

        Raises:
            SpecError: a field is wrong, there is no such saga, or the input does not fit.
        """
        try:
            given = self._required_input(saga, input)
        except NotFoundError as error:
            raise SpecError("saga", str(error)) from None
        except InvalidInputError as error:
            raise SpecError(error.field, error.problem) from None
        return self._app.schedule(
            name,
            cron=cron,
            to=SAGAS,
            message=begin_by(name, saga, given),
            tenant=tenant,
            timezone=timezone,
            key=RUN_ID,
            overlap=overlap,
            catch_up_seconds=catch_up_seconds,
        )

    async def put_schedule(self, tenant: str, name: str, body: SagaScheduleBody) -> StoredSchedule:
        """Add a schedule that starts a saga, or set one anew; the rest is as with any other schedule.

        Raises:
            NotFoundError: there is no such saga.
            InvalidInputError, ConflictError: as `ScheduleOperations.put`; or the input does not fit.
        """
        running = self._catalog.running
        await self._catalog.current(body.saga)
        self._required_input(body.saga, body.input)
        return await running.operations.schedules.put(body.schedule(tenant, name), by=body.by, reason=body.reason)

    async def show(self, instance: str, *, tenant: str | None = None) -> Instance:
        """Where a saga stands, with its data and history.

        One that was started a moment ago may not have begun: it is waited for, for up to a second.

        Raises:
            NotFoundError: none has that id.
            ConflictError: several tenants have one.
        """
        for _ in range(int(BEGIN_SECONDS / BEGIN_PAUSE_SECONDS)):
            try:
                return await self._find(instance, tenant)
            except NotFoundError:
                await asyncio.sleep(BEGIN_PAUSE_SECONDS)
        return await self._find(instance, tenant)

    async def list(self, which: SagaFilter) -> list[Instance]:
        """Raises InvalidInputError for a `limit` outside 1 to MAX_PAGE."""
        if not 1 <= which.limit <= MAX_PAGE:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {which.limit}")
        names = [which.saga] if which.saga else self._catalog.names()
        statuses = [which.status] if which.status else STATUSES
        labels = tuple(label_of(name, status) for name in names for status in statuses)
        found = await self._catalog.running.store.list_states(
            StateFilter(service=SAGAS, labels=labels, tenant=which.tenant, limit=which.limit, before=which.before)
        )
        return [instance for state in found if (instance := instance_of(state)) is not None]

    async def wait(self, instance: str, *, tenant: str | None = None, timeout_seconds: float = 30.0) -> Instance:
        """Return a saga when it has ended, or as it stands after `timeout_seconds`; also one that has yet to begin.

        Raises as `show`, after `timeout_seconds`.
        """
        clock, pause = self._catalog.running.clock, FIRST_PAUSE_SECONDS
        deadline = clock.monotonic() + timeout_seconds
        while True:
            left = deadline - clock.monotonic()
            try:
                found = await self._find(instance, tenant)
                if found.status in ENDED or left <= 0:
                    return found
            except NotFoundError:
                if left <= 0:
                    raise
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def ask(self, instance: str, event: Event, *, tenant: str | None = None, by: str) -> Instance:
        """Have something happen to a saga, and return it as it stood. It is on disk, and carried out in its turn.

        A person's act is noted in the audit before it is accepted, so that none goes unnoted.

        Raises:
            NotFoundError: there is no such saga.
            ConflictError: its state does not allow it now; the message says why. A saga that changes before its turn
                comes has the refusal in its history instead.
        """
        running = self._catalog.running
        found = await self.show(instance, tenant=tenant)
        plan = await self._catalog.plan(found.saga, found.version)
        trial = msgspec.convert(msgspec.to_builtins(found), Instance)
        try:
            handle(plan, trial, event, running.clock.now())
        except RefusedError as error:
            raise ConflictError(str(error)) from None
        happened = running.admission.event(SAGAS, Happened(event), tenant=found.tenant, key=found.id, by=by)
        await self._note(entries(event, found, by=by, at=running.clock.now()))
        await running.append([happened])
        return found

    async def signal(
        self, instance: str, signal: str, payload: Any = None, *, tenant: str | None = None, by: str = "app"
    ) -> Instance:
        """Send a saga a signal; it is kept if the saga does not wait for it yet. Raises as `ask`."""
        event = Signalled(signal, _json_of("payload", payload), by)
        return await self.ask(instance, event, tenant=tenant, by=by)

    async def cancel(self, instance: str, *, tenant: str | None = None, by: str, reason: str = "") -> Instance:
        """Have a saga undone. Raises as `ask`."""
        return await self.ask(instance, Cancelled(by, reason), tenant=tenant, by=by)

    async def suspend(self, instance: str, *, tenant: str | None = None, by: str) -> Instance:
        """Have a saga start nothing more. Raises as `ask`."""
        return await self.ask(instance, Suspended(by), tenant=tenant, by=by)

    async def resume(self, instance: str, *, tenant: str | None = None, by: str) -> Instance:
        """Have a suspended saga go on with what happened meanwhile. Raises as `ask`."""
        return await self.ask(instance, Resumed(by), tenant=tenant, by=by)

    async def retry(self, instance: str, *, tenant: str | None = None, by: str, place: str | None = None) -> Instance:
        """Send again what is parked, at one place or everywhere. Raises as `ask`."""
        return await self.ask(instance, Retried(by, place), tenant=tenant, by=by)

    async def skip(
        self, instance: str, place: str, output: Any = None, *, tenant: str | None = None, by: str
    ) -> Instance:
        """Take a parked step for done, with an output given by hand. Raises as `ask`."""
        return await self.ask(instance, Skipped(by, place, output), tenant=tenant, by=by)

    async def repair(self, instance: str, data: dict[str, Any], *, tenant: str | None = None, by: str) -> Instance:
        """Put other values into the data of a saga that is parked or suspended. Raises as `ask`."""
        return await self.ask(instance, Repaired(by, data), tenant=tenant, by=by)

    async def revert(self, saga: str, version: int, *, by: str) -> None:
        """Have new instances start with another version; return when they do. Raises NotFoundError."""
        running = self._catalog.running
        number = (await self._catalog.version(saga, version)).number
        detail = f"version {number}"
        await self._note(
            [AuditEntry(action="revert_saga", by=by, at=running.clock.now(), target=f"saga {saga}", detail=detail)]
        )
        await running.append([running.admission.event(LIBRARY, Revert(number, by), tenant=SYSTEM, key=saga, by=by)])
        await self._catalog.wait_shelf(saga, lambda shelf: shelf.current == number)

    def _required_input(self, saga: str, given: Any) -> Any:
        if saga not in self._catalog:
            raise NotFoundError(f"no saga is named {saga!r}; there are: {', '.join(self._catalog.names()) or 'none'}")
        given = _json_of("input", given)
        self._catalog.require_input(saga, given)
        return given

    async def _is_repetition(self, message: Begin, tenant: str, instance: str) -> bool:
        """Whether a saga was started so before. Raises ConflictError for one that was started another way."""
        try:
            found = await self._catalog.running.store.states(SAGAS, [(tenant, instance)])
        except StoreUnavailableError:
            return False  # the start waits for the database, and the coordinator looks then
        begun = instance_of(found[0]) if found else None
        if begun is None:
            return False
        problem = other_start(begun, message.saga, message.version, message.input)
        if problem is not None:
            raise ConflictError(problem, "id")
        return True

    async def _note(self, noted: Sequence[AuditEntry]) -> None:
        if noted:
            await self._catalog.running.store.audit.note(noted)

    async def _find(self, instance: str, tenant: str | None) -> Instance:
        found = await self._catalog.running.store.states_of_key(SAGAS, instance)
        decoded = [instance_of(state) for state in found if tenant in {None, state.tenant}]
        begun = [each for each in decoded if each is not None]
        if not begun:
            raise NotFoundError(f"no saga has the id {instance!r}" + (f" for the tenant {tenant}" if tenant else ""))
        if len(begun) > 1:
            raise ConflictError(f"{len(begun)} tenants have a saga {instance!r}; name the tenant")
        return begun[0]


def _json_of(field: str, value: Any) -> Any:
    """A value as plain JSON. Raises InvalidInputError."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInputError(field, f"cannot be written as JSON: {error}") from None
