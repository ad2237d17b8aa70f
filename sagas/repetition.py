"""Whether a start of an id that is taken asks for the saga that has it."""

from __future__ import annotations

from typing import Any

import msgspec

from sagas.machine import Instance


def other_start(instance: Instance, saga: str, version: int | None, given: Any) -> str | None:
    """How a start differs from that of the saga that has its id; None where it repeats it.

    A start without a `version` repeats one with any. The input is that of the start, also where a person has repaired
    it since.
    """
    if saga != instance.saga:
        return f"a saga of this id was started as {instance.saga}"
    if version not in {None, instance.version}:
        return f"a saga of this id was started with version {instance.version}"
    if _text(given) != _text(instance.started_with):
        return "a saga of this id was started with another input"
    return None


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
