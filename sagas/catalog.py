"""The sagas of one app: what its code registers, and every version that was ever published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from actors.message import message_name
from runtime import Running, ServiceDefinition
from runtime.errors import InvalidInputError, NotFoundError
from runtime.store.records import StateFilter
from runtime.tasks import new_task
from sagas.checking import Advertised, Checked, Known, check
from sagas.code import Saga
from sagas.code_plan import CodePlan
from sagas.definition import Definition, decode, encode
from sagas.errors import DefinitionError, SagaError
from sagas.library import LABEL, LIBRARY, SYSTEM, Shelf, Version, checksum_of
from sagas.messages import Publish
from sagas.plan import Plan

FRESH_SECONDS = 1.0
"""How long another process's change of the current version may go unseen."""
PUBLISH_SECONDS = 30.0
PAUSE_SECONDS = 0.02
MAX_SAGAS = 500
MAX_VERSION = 2**31 - 1
_ENCODER = msgspec.json.Encoder()


class Registered(msgspec.Struct, frozen=True):
    """A saga as the app's code defines it."""

    plan: Plan
    checksum: str


class Catalog:
    """See the module."""

    def __init__(self, services: Mapping[str, ServiceDefinition]) -> None:
        self._services = services
        self._decoders: dict[tuple[str, str], msgspec.json.Decoder[Any]] = {}
        """Of the messages that steps send, by service and name."""
        self._registered: dict[str, Registered] = {}
        self._codes: dict[str, int] = {}
        """The highest version of each saga that is written as code."""
        self._inputs: dict[str, Any] = {}
        self._known: dict[str, Known] = {}
        self._plans: dict[tuple[str, int], Plan] = {}
        self._shelves: dict[str, tuple[float, Shelf]] = {}
        self._asked: dict[str, asyncio.Task[Shelf]] = {}
        """What is being read: all who ask at one time wait for one answer."""
        self._running: Running | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @property
    def running(self) -> Running:
        """The app that runs. Raises SagaError where none does."""
        if self._running is None:
            raise SagaError("the app is not running; use `async with app.running():`")
        return self._running

    def names(self) -> list[str]:
        return sorted(self._known)

    def register(self, definition: Definition, input_type: Any) -> None:
        """Take in a saga from the app's code. Raises DefinitionError."""
        if definition.name in self._registered or definition.name in self._codes:
            raise DefinitionError("", "name", f"a saga is named {definition.name!r} already")
        plan = self.check(definition, input_type)
        self._registered[definition.name] = Registered(plan, checksum_of(plan.definition))
        self._inputs[definition.name] = input_type

    def register_code(self, kind: type[Saga]) -> None:
        """Take in a saga that is written as code, or another version of it. Raises DefinitionError."""
        name, version = kind.name, kind.version
        if name in self._registered or (name, version) in self._plans:
            raise DefinitionError("", "name", f"a saga is named {name!r} already, and has the version {version}")
        if not 1 <= version <= MAX_VERSION:
            raise DefinitionError("", "version", f"must be between 1 and {MAX_VERSION}, not {version}")
        self._plans[name, version] = plan = CodePlan(kind)
        if version > self._codes.get(name, 0):
            self._codes[name] = version
            self._inputs[name] = plan.types["input"]
            self._known[name] = Known(plan.types["input"], Any, has_pivot=False)

    def check(self, definition: Definition, input_type: Any = Any) -> Plan:
        """Make a definition ready to run in this app. Raises DefinitionError."""
        plan = Plan(decode(encode(definition)))  # as it will be read again, its fields of the types they should be
        self._require_no_circle(plan)
        found = self._check(plan, input_type)
        plan.types.update(found.data)
        pivots = {name for name, known in self._known.items() if known.has_pivot}
        has_pivot = plan.has_pivot or bool(plan.sagas & pivots)
        self._known[definition.name] = Known(input_type, found.result, has_pivot, plan.sagas)
        return plan

    def _check(self, plan: Plan, input_type: Any) -> Checked:
        services = {name: advertised(service) for name, service in self._services.items()}
        return check(plan, input_type, services, self._known)

    async def with_inner(self, name: str) -> list[Definition]:
        """A saga's current version and those of the sagas inside it, the inner ones first. Raises NotFoundError."""
        found: dict[str, Definition] = {}
        todo = [name]
        while todo:
            definition = (await self.version(todo.pop(), None)).definition
            found.pop(definition.name, None)
            found[definition.name] = definition  # the last time that it is met counts: the inner ones come later
            todo += sorted(Plan(definition).sagas)
        return list(reversed(found.values()))

    def check_all(self, definitions: list[Definition]) -> list[Plan]:
        """Definitions from elsewhere, the inner ones first, made ready to run here. Raises DefinitionError."""
        known = dict(self._known)
        try:
            return [self._check_foreign(definition) for definition in definitions]
        finally:
            self._known = known

    async def adopt(self, plans: list[Plan]) -> None:
        """Return when definitions that were checked are published, and this app runs them."""
        for plan in plans:
            name, checksum = plan.definition.name, checksum_of(plan.definition)
            await self.wait_shelf(name, partial(Shelf.has, checksum=checksum))
            self._check_foreign(plan.definition)
            self._plans[name, self._version_having(name, checksum)] = plan

    async def shelf_or_none(self, name: str) -> Shelf:
        """All versions of a saga, of which there may be none."""
        return await self._read(name)

    def _check_foreign(self, definition: Definition) -> Plan:
        if definition.name in self._codes:
            raise DefinitionError("", "name", f"the saga {definition.name} is written as code in this app")
        try:
            return self.check(definition, self._inputs.get(definition.name, Any))
        except DefinitionError as error:
            step = f"{definition.name}/{error.step}" if error.step else definition.name
            raise DefinitionError(step, error.field, error.problem) from None

    async def started(self, running: Running) -> None:
        """Publish what the code has that was not published yet, and learn of what was."""
        self._running = running
        self._shelves.clear()
        for state in await running.store.list_states(
            StateFilter(service=LIBRARY, labels=(LABEL,), limit=MAX_SAGAS, tenant=SYSTEM)
        ):
            self._keep(state.key, msgspec.json.decode(state.payload, type=Shelf))
        for name, registered in self._registered.items():
            await self.publish(registered.plan.definition, registered.checksum, by=running.name)
            self._plans[name, self._version_having(name, registered.checksum)] = registered.plan

    async def publish(self, definition: Definition, checksum: str, *, by: str) -> int:
        """Have a checked definition published; return the number of its version once it has one."""
        running, name = self.running, definition.name
        if (await self._read(name)).having(checksum) is None:
            message = Publish(definition, by)
            await running.append([running.admission.event(LIBRARY, message, tenant=SYSTEM, key=name, by=by)])
            await self.wait_shelf(name, partial(Shelf.has, checksum=checksum))
        return self._version_having(name, checksum)

    async def wait_shelf(self, name: str, ready: Callable[[Shelf], bool]) -> None:
        """Return when the versions of a saga are as wanted. Raises SagaError after PUBLISH_SECONDS."""
        for _ in range(int(PUBLISH_SECONDS / PAUSE_SECONDS)):
            if ready(await self._read(name)):
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise SagaError(f"the versions of {name} were not written within {PUBLISH_SECONDS:g} s")

    async def shelf(self, name: str) -> Shelf:
        """All versions of a saga. Raises NotFoundError."""
        if name in self._codes:
            raise NotFoundError(f"the saga {name} is written as code; its class has its versions")
        shelf = await self._read(name)
        if not shelf.versions:
            raise NotFoundError(f"no saga is named {name!r}; there are: {', '.join(self.names()) or 'none'}")
        return shelf

    async def version(self, name: str, number: int | None) -> Version:
        """A version of a saga, None for the current one. Raises NotFoundError."""
        shelf = await self.shelf(name)
        version = shelf.version(shelf.current if number is None else number)
        if version is None:
            raise NotFoundError(f"{name} has no version {number}; it has 1 to {len(shelf.versions)}")
        return version

    async def current(self, name: str) -> int:
        """The version that new instances start with. Raises NotFoundError."""
        known = self.current_at_hand(name)
        if known is not None:
            return known
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = new_task(self.shelf(name))
            asked.add_done_callback(lambda _: self._asked.pop(name))
        return (await asyncio.shield(asked)).current

    def current_at_hand(self, name: str) -> int | None:
        """The same, if it has been asked for a moment ago."""
        if name in self._codes:
            return self._codes[name]
        known = self._shelves.get(name)
        if known is None or self.running.clock.monotonic() - known[0] > FRESH_SECONDS:
            return None
        return known[1].current

    def plan_at_hand(self, name: str, version: int) -> Plan | None:
        """A version ready to run, if it has been asked for before."""
        return self._plans.get((name, version))

    async def plan(self, name: str, version: int) -> Plan:
        """A version ready to run. Raises NotFoundError."""
        plan = self._plans.get((name, version))
        if plan is None and name in self._codes:
            raise NotFoundError(f"the saga {name} has no version {version} in this app's code")
        if plan is None:
            plan = self._plans[name, version] = self._ready((await self.version(name, version)).definition)
        return plan

    def _ready(self, definition: Definition) -> Plan:
        """A version that the code no longer has. Its types are those that it would have today, if it still fits."""
        plan = Plan(definition)
        with suppress(DefinitionError):
            plan.types.update(self._check(plan, self._inputs.get(definition.name, Any)).data)
        return plan

    def require_input(self, name: str, given: Any) -> None:
        """Raises InvalidInputError with the field where an input is not what the saga's code says."""
        kind = self._inputs.get(name, Any)
        if kind is Any:
            return
        try:
            msgspec.convert(given, kind, str_keys=True)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$")
            raise InvalidInputError(f"input{path.rstrip('`')}", text) from None

    def message(self, service: str, name: str, payload: dict[str, Any]) -> Any:
        """The message of a step. Raises InvalidInputError with the field that does not fit."""
        decoder = self._decoders.get((service, name)) or self._add_decoder(service, name)
        try:
            return decoder.decode(_ENCODER.encode(payload))  # in half the time of `msgspec.convert`
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$.")
            raise InvalidInputError(path.rstrip("`") or "input", text) from None
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise InvalidInputError("input", f"cannot be written as JSON: {error}") from None

    def _add_decoder(self, service: str, name: str) -> msgspec.json.Decoder[Any]:
        takes = self._services[service].takes()
        kind = takes[name] if name in takes else next(iter(takes.values()))
        decoder = self._decoders[service, name] = msgspec.json.Decoder(kind)
        return decoder

    def is_keyed(self, service: str) -> bool:
        return self._services[service].keyed

    async def _read(self, name: str) -> Shelf:
        states = await self.running.store.states(LIBRARY, [(SYSTEM, name)])
        shelf = msgspec.json.decode(states[0].payload, type=Shelf) if states else Shelf()
        self._keep(name, shelf)
        return shelf

    def _keep(self, name: str, shelf: Shelf) -> None:
        self._shelves[name] = (self.running.clock.monotonic(), shelf)
        version = shelf.version(shelf.current)
        if version is not None and name not in self._known:
            plan = Plan(version.definition)
            self._known[name] = Known(Any, Any, plan.has_pivot, plan.sagas)

    def _version_having(self, name: str, checksum: str) -> int:
        version = self._shelves[name][1].having(checksum)
        if version is None:
            raise SagaError(f"the saga {name} could not be published")
        return version.number

    def _require_no_circle(self, plan: Plan) -> None:
        """Raises DefinitionError where a saga would, by way of others, run inside itself."""
        name = plan.definition.name
        ways: list[tuple[str, ...]] = [(inner,) for inner in sorted(plan.sagas)]
        while ways:
            way = ways.pop()
            if way[-1] == name:
                circle = " -> ".join((name, *way))
                raise DefinitionError(plan.step_with(way[0]), "saga", f"{name} would run inside itself: {circle}")
            known = self._known.get(way[-1])
            ways += [(*way, inner) for inner in sorted(known.sagas if known else ())]


def advertised(service: ServiceDefinition) -> Advertised:
    """What a service takes, and what it answers each message with."""
    handlers = service.actor.handlers
    return Advertised(service.takes(), {message_name(kind): handler.returns for kind, handler in handlers.items()})
