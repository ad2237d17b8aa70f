"""Schedules as an app's code declares them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.errors import SpecError
from actors.message import Message
from runtime.core.schedule import Overlap, Schedule, require_schedule
from runtime.definition import Codec, ServiceDefinition
from runtime.durable.admission import require_name
from runtime.errors import InvalidInputError


def declared(
    services: Mapping[str, ServiceDefinition],
    name: str,
    *,
    to: str | ServiceDefinition,
    message: Message,
    tenant: str,
    cron: str,
    timezone: str,
    key: str | None,
    overlap: Overlap,
    catch_up_seconds: float | None,
) -> Schedule:
    """A schedule for a typed or dynamic message. Raises SpecError with the field that is wrong."""
    service = to if isinstance(to, str) else to.name
    if service not in services:
        raise SpecError("to", f"no service is named {service!r}; this app has: {', '.join(sorted(services)) or 'none'}")
    type_name, payload = _encoded(services[service], message)
    schedule = Schedule(
        tenant=tenant,
        name=name,
        cron=cron,
        timezone=timezone,
        service=service,
        type=type_name,
        payload=msgspec.Raw(payload),
        key=key,
        overlap=overlap,
        catch_up_seconds=catch_up_seconds,
    )
    require_schedule(schedule)
    if key is None and services[service].keyed:
        raise SpecError("key", f"is required: {service} has one actor per key")
    for field, value in (("tenant", tenant), *([] if key is None else [("key", key)])):
        try:
            require_name(field, value)
        except InvalidInputError as error:
            raise SpecError(error.field, error.problem) from None
    return schedule


def _encoded(service: ServiceDefinition, message: Message) -> tuple[str, bytes]:
    codec = Codec(service)
    type_name = codec.name_of(message)
    if type_name is None:
        raise SpecError("message", f"{service.name} does not take {type(message).__name__}")
    try:
        return type_name, codec.encode(message)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise SpecError("message", f"cannot be encoded as JSON: {error}") from None
