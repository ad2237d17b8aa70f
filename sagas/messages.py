"""The durable events of the services that run sagas."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from sagas.definition import Definition
from sagas.machine import Event


class Begin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Start a saga under the key that this event is for; one that is there already goes on, and notes another start.

    `version` is that of the definition, None for the current one. `parent` is the id, place and send of the saga
    around it.
    """

    saga: str
    input: Any
    by: str
    version: int | None = None
    parent: tuple[str, str, int] | None = None


class Happened(msgspec.Struct, frozen=True):
    """Something has happened to the saga that this event is for."""

    event: Event


class Superseded(msgspec.Struct, frozen=True):
    """A step of the saga that this event is for was done after sends of it had failed: nobody needs to see to these."""

    place: str
    letters: tuple[UUID, ...]


class Publish(msgspec.Struct, frozen=True):
    """Make a definition the newest and current version, unless it is one of the versions already."""

    definition: Definition
    by: str


class Revert(msgspec.Struct, frozen=True):
    """Make an earlier version the current one."""

    version: int
    by: str
