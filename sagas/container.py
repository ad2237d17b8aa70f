"""Sagas on their way from one app to another: one document with a checksum.

It holds definitions, and what they need of services. No secret travels: settings of services stay where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from runtime import ServiceDefinition
from sagas.definition import Compensation, Definition, Node, Step
from sagas.errors import DefinitionError
from sagas.plan import Plan

MAX_SAGAS = 100


class ServiceNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a service must take: the names of messages, empty for dynamic ones."""

    messages: list[str]


class Container(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sagas, those inside others first."""

    format: Literal["postroom-sagas"] = "postroom-sagas"
    format_version: Literal[1] = 1
    sagas: Annotated[list[Definition], msgspec.Meta(min_length=1, max_length=MAX_SAGAS)]
    services: dict[str, ServiceNeed]
    checksum: str
    """SHA-256 of the sagas and services, as JSON with sorted keys."""


class Change(msgspec.Struct, frozen=True):
    """What an import does to one saga: the number of the version that it has, or will have, here."""

    saga: str
    change: Literal["new", "changed", "none"]
    version: int


class Imported(msgspec.Struct, frozen=True):
    """What an import changed, or would change where it was only asked to look."""

    changes: list[Change]
    applied: bool


def pack(definitions: list[Definition], services: Mapping[str, ServiceDefinition]) -> Container:
    """Put definitions into a container."""
    needs = {name: ServiceNeed(sorted(messages)) for name, messages in sorted(_needs(definitions, services).items())}
    return Container(sagas=definitions, services=needs, checksum=checksum_of(definitions, needs))


def require_whole(container: Container) -> None:
    """Raises DefinitionError where the checksum is not that of what the container holds."""
    expected = checksum_of(container.sagas, container.services)
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


def checksum_of(definitions: list[Definition], needs: Mapping[str, ServiceNeed]) -> str:
    """The checksum of a container's content."""
    return hashlib.sha256(msgspec.json.encode([definitions, needs], order="sorted")).hexdigest()


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
