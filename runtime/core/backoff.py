"""How long to wait before trying again."""

from __future__ import annotations

from random import Random

from actors.spec import Backoff


def delay_seconds(backoff: Backoff, failures: int, random: Random) -> float:
    """The pause after `failures` failures in a row (1 or more), between 0 and `backoff.max_seconds`.

    The random part is taken off, not put on top, so that the limit holds whatever the jitter.
    """
    assert failures >= 1, failures
    if backoff.initial_seconds == 0:
        return 0.0
    return _full_delay(backoff, failures - 1) * (1.0 - backoff.jitter * random.random())


def _full_delay(backoff: Backoff, exponent: int) -> float:
    try:
        return min(backoff.initial_seconds * backoff.factor**exponent, backoff.max_seconds)
    except OverflowError:  # a service that has been failing for weeks
        return backoff.max_seconds
