"""Ids of events and incarnations: UUIDv7 (RFC 9562), made by the client and strictly increasing within a process."""

from __future__ import annotations

import os
import re
import time
from array import array
from collections.abc import Callable, Iterator
from uuid import UUID, SafeUUID

from runtime.errors import InvalidInputError

UUID_VERSION_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
SHOWN_CHARACTERS = 50
COUNTER_MASK = 0xFFF
SEED_MASK = 0x7FF
DRAWS = 256
"""So many random numbers of 64 bits are drawn at once: a call of the system for each id would be half of its cost."""
MAX_ID = UUID(int=(1 << 128) - 1)
"""Above every id."""
RANDOM_MASK = (1 << 62) - 1
ONE_COUNT = 1 << 64
VERSION_AND_VARIANT = 7 << 76 | 0b10 << 62
VERSION_AND_VARIANT_MASK = 0xF << 76 | 0b11 << 62

# `UUID(int=...)` checks arguments that are right by construction and goes through a `__setattr__` that refuses; setting
# the two slots directly takes a third of the time. Both slots exist in CPython 3.11 to 3.14.
_new = UUID.__new__
_set_int = UUID.__dict__["int"].__set__
_set_is_safe = UUID.__dict__["is_safe"].__set__
_UNKNOWN = SafeUUID.unknown


class InvalidIdError(InvalidInputError):
    """A text that should name an event or an incarnation is not a UUIDv7."""


class IdSource:
    """Makes ids; not thread-safe, one for each process.

    RFC 9562, section 6.2, method 1: a 12-bit counter behind the 48-bit milliseconds, then 62 fresh random bits. The
    counter starts each millisecond at random in its lower half. When it overflows (never below 2,048 ids in one
    millisecond), or the clock goes back, ids run ahead of the clock rather than repeat or fall.
    """

    __slots__ = ("_clock", "_drawn", "_last", "_random_bytes")

    def __init__(
        self, clock: Callable[[], float] = time.time, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        """`clock` gives seconds since the epoch (UTC); `random_bytes` must be unpredictable."""
        self._clock = clock
        self._random_bytes = random_bytes
        self._drawn = array("Q")
        self._last = 0
        """Milliseconds and counter of the newest id, as one number of 60 bits."""

    def new_id(self) -> UUID:
        """An id above every one this source has made."""
        drawn = self._drawn
        if len(drawn) < 2:
            drawn.frombytes(self._random_bytes(DRAWS * 8))
        stamp = int(self._clock() * 1000.0) << 12
        if stamp > self._last:
            stamp |= drawn.pop() & SEED_MASK
        else:
            stamp = self._last + 1
        self._last = stamp
        made = _new(UUID)
        _set_int(
            made,
            stamp >> 12 << 80 | (stamp & COUNTER_MASK) << 64 | VERSION_AND_VARIANT | drawn.pop() & RANDOM_MASK,
        )
        _set_is_safe(made, _UNKNOWN)
        return made

    def new_ids(self, count: int) -> Iterator[UUID]:
        """So many ids, made as they are taken, each as `new_id` would make it after one reading of the clock.

        Take all of them before the next call: another id in between may be above those that are still to come.
        """
        stamp = int(self._clock() * 1000.0) << 12
        seeds = array("Q", self._random_bytes((count + 1) * 8))
        stamp = stamp | seeds[count] & SEED_MASK if stamp > self._last else self._last + 1
        self._last = stamp + count - 1
        number, upper = stamp, 0
        for drawn in seeds[:count]:
            counter = number & COUNTER_MASK
            if not counter or not upper:  # the first of all, or of the next millisecond
                upper = number >> 12 << 80 | counter << 64 | VERSION_AND_VARIANT
            made = _new(UUID)
            _set_int(made, upper | drawn & RANDOM_MASK)
            _set_is_safe(made, _UNKNOWN)
            number += 1
            upper += ONE_COUNT
            yield made


def require_id(given: UUID | str) -> UUID:
    """The id itself, if it is a UUIDv7 and no other kind of UUID.

    Raises:
        InvalidIdError: it is anything else.
    """
    if type(given) is UUID and given.int & VERSION_AND_VARIANT_MASK == VERSION_AND_VARIANT:
        return given
    return parse_id(str(given))


def parse_id(text: str) -> UUID:
    """Read an id in its canonical form, in either case.

    Raises:
        InvalidIdError: the text is anything else, be it a UUID of another version.
    """
    if UUID_VERSION_7.fullmatch(text) is None:
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
        raise InvalidIdError("id", f"must be a UUIDv7 such as 01890a5d-ac96-774b-bcce-b302099a8057, not {shown!r}")
    return UUID(text)


def with_random(made: UUID, drawn: bytes) -> UUID:
    """An id of the same millisecond as another, whose other bits are taken from `drawn`: at least 10 bytes."""
    bits = int.from_bytes(drawn[:10], "big")
    low = bits & ((1 << 80) - 1) & ~VERSION_AND_VARIANT_MASK
    return UUID(int=made.int >> 80 << 80 | low | VERSION_AND_VARIANT)


def id_at(seconds: float) -> UUID:
    """The smallest id of a time, in seconds since the epoch (UTC)."""
    return UUID(int=max(0, min(int(seconds * 1000), (1 << 48) - 1)) << 80)


def timestamp_of(made: UUID) -> float:
    """When a UUIDv7 was made, in seconds since the epoch (UTC), to the millisecond."""
    return (made.int >> 80) / 1000.0
