"""Sagas on their way from one app to another: one document with a checksum.

It holds definitions, what they need of services, how those are declared, their limits, and the schedules that start
these sagas or bring events to these services. No secret travels: what a service knows of passwords and addresses is in
its code and surroundings, and whether a service or a tenant is paused is for the people who run it. A step's `config`
is part of its definition. Version 2 of the format has no schedules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from actors import Metadata
from runtime import ServiceDefinition
from runtime.core.policy import NOTHING_SET, Policy, Scope
from runtime.core.schedule import Overlap, Schedule
from runtime.store.schedules import StoredSchedule
from sagas.definition import Compensation, Definition, Node, Step
from sagas.errors import DefinitionError
from sagas.plan import Plan

MAX_SAGAS = 100
MAX_LIMITS = 10_000
MAX_SCHEDULES = 10_000
WITHOUT_SCHEDULES = 2
"""The version of the format that has none."""
OF_OPERATORS = frozenset({"state"})
"""Settings that stay where they are."""


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a service is declared in the app's code. An import compares it, and does not change it."""

    keyed: bool
    slots: int
    chunk_size: int
    slots_per_event: int
    attempts: int | None
    timeout_seconds: float | None
    keep_results: bool
    metadata: Metadata


class ServiceNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a service must take: the names of messages, empty for dynamic ones."""

    messages: list[str]
    settings: ServiceSettings | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is set for a service, or for a tenant in it (`*` for each without a setting of its own)."""

    service: str
    tenant: str | None = None
    settings: Policy

    @property
    def scope(self) -> Scope:
        return Scope(self.service, self.tenant)


class Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule; see `runtime.core.schedule.Schedule`. `paused` counts where it is new."""

    tenant: str
    name: str
    cron: str
    timezone: str
    service: str
    type: str
    payload: Any
    key: str | None = None
    overlap: Overlap = "skip"
    catch_up_seconds: float | None = None
    paused: bool = False

    @property
    def schedule(self) -> Schedule:
        fields = {name: value for name, value in msgspec.structs.asdict(self).items() if name != "paused"}
        return Schedule(**{**fields, "payload": msgspec.Raw(msgspec.json.encode(self.payload))})


class Container(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sagas, those inside others first, and what belongs to them."""

    format: Literal["postroom-sagas"] = "postroom-sagas"
    format_version: Literal[2, 3] = 3
    sagas: Annotated[list[Definition], msgspec.Meta(min_length=1, max_length=MAX_SAGAS)]
    services: dict[str, ServiceNeed]
    limits: Annotated[list[Limit], msgspec.Meta(max_length=MAX_LIMITS)] = []
    schedules: Annotated[list[Planned], msgspec.Meta(max_length=MAX_SCHEDULES)] = []
    checksum: str
    """SHA-256 of the sagas, services, limits and, from version 3 on, schedules, as JSON with sorted keys."""


class Change(msgspec.Struct, frozen=True):
    """What an import does to one saga: the number of the version that it has, or will have, here."""

    saga: str
    change: Literal["new", "changed", "none"]
    version: int
    diff: list[str] = []
    """The lines of the definition's JSON that change, as `diff -u` shows them."""


class LimitChange(msgspec.Struct, frozen=True):
    """A limit that becomes another; None for none."""

    service: str
    tenant: str | None
    setting: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True):
    """A service that is declared otherwise where the container comes from. Nothing is changed by it."""

    service: str
    setting: str
    here: Any
    there: Any


class SettingChange(msgspec.Struct, frozen=True):
    """What is set of a schedule here, None where there is none, and in a container."""

    setting: str
    before: Any
    after: Any


class PlannedChange(msgspec.Struct, frozen=True):
    """What an import does to one schedule: `kept` is one that the code here declares otherwise, and has its say of."""

    tenant: str
    name: str
    change: Literal["new", "changed", "none", "kept"]
    settings: list[SettingChange]
    paused: bool = False
    """Whether it is new and starts nothing until it is resumed, as it was paused where it comes from."""


class Imported(msgspec.Struct, frozen=True):
    """What an import changed, or would change where it was only asked to look."""

    changes: list[Change]
    limits: list[LimitChange]
    schedules: list[PlannedChange]
    differences: list[Difference]
    applied: bool


def pack(
    definitions: list[Definition],
    needs: dict[str, ServiceNeed],
    limits: Mapping[Scope, Policy],
    schedules: Iterable[StoredSchedule],
) -> Container:
    """Put definitions into a container, with what is set for the services that they need."""
    kept = [
        Limit(service=scope.service, tenant=scope.tenant, settings=travelling)
        for scope, policy in sorted(limits.items(), key=lambda each: (each[0].service or "", each[0].tenant or ""))
        if scope.service in needs and (travelling := without_operators(policy)) != NOTHING_SET
    ]
    planned = [planned_of(each) for each in schedules]
    made = Container(sagas=definitions, services=needs, limits=kept, schedules=planned, checksum="")
    read = msgspec.json.decode(msgspec.json.encode(made), type=Container)  # as others read it: 50 may be 50.0 then
    return msgspec.structs.replace(read, checksum=checksum_of(read))


def planned_of(stored: StoredSchedule) -> Planned:
    """A schedule as it travels."""
    fields = msgspec.structs.asdict(stored.schedule)
    payload = msgspec.json.decode(bytes(stored.schedule.payload))
    return Planned(**{**fields, "payload": payload}, paused=stored.standing.paused)


def needs_of(definitions: Iterable[Definition], services: Mapping[str, ServiceDefinition]) -> dict[str, ServiceNeed]:
    """What definitions need of services."""
    return {
        name: ServiceNeed(sorted(messages), settings_of(services[name]))
        for name, messages in sorted(_needs(definitions, services).items())
    }


def settings_of(service: ServiceDefinition) -> ServiceSettings:
    """How a service is declared."""
    return ServiceSettings(
        keyed=service.keyed,
        slots=service.slots,
        chunk_size=service.chunk_size,
        slots_per_event=service.slots_per_event,
        attempts=service.retry.attempts,
        timeout_seconds=service.timeout_seconds,
        keep_results=service.keep_results,
        metadata=service.metadata,
    )


def without_operators(policy: Policy) -> Policy:
    """The settings that travel."""
    return msgspec.structs.replace(policy, **dict.fromkeys(OF_OPERATORS))


def container_schema() -> dict[str, Any]:
    """The JSON schema of a container."""
    return msgspec.json.schema(Container)


def require_whole(container: Container) -> None:
    """Raises DefinitionError where the checksum is not that of what the container holds."""
    expected = checksum_of(container)
    if container.checksum != expected:
        told = f"is {container.checksum[:12]}..., but that of the content is {expected[:12]}...: it was edited"
        raise DefinitionError("", "checksum", told)


def require_services(container: Container, services: Mapping[str, ServiceDefinition]) -> None:
    """Raises DefinitionError for a service, or a message, that this app does not have."""
    for name, need in container.services.items():
        if name not in services:
            raise DefinitionError("", f"services.{name}", "is a service that this app does not have")
        missing = set(need.messages) - set(services[name].message_names())
        if missing:
            told = ", ".join(sorted(each or "dynamic messages" for each in missing))
            raise DefinitionError("", f"services.{name}", f"does not take {told} in this app")


def checksum_of(container: Container) -> str:
    """The checksum of a container's content."""
    content: list[Any] = [container.sagas, container.services, container.limits]
    if container.format_version > WITHOUT_SCHEDULES:
        content.append(container.schedules)
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _needs(definitions: Iterable[Definition], services: Mapping[str, ServiceDefinition]) -> dict[str, set[str]]:
    needs: dict[str, set[str]] = {}
    for definition in definitions:
        for planned in Plan(definition).nodes:
            for message in _messages(planned.node):
                takes = services[message.service].message_names()
                needs.setdefault(message.service, set()).add(message.message or takes[0])
    return needs


def _messages(node: Node) -> Iterator[Step | Compensation]:
    if isinstance(node, Step):
        yield node
        if node.compensation is not None:
            yield node.compensation
