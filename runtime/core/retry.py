"""What becomes of an event whose handler raised: tried again later, or given up."""

from __future__ import annotations

from random import Random

import msgspec

from actors.spec import RetryPolicy
from runtime.core.backoff import delay_seconds


class RetryAt(msgspec.Struct, frozen=True):
    """Try again at `due_at`, in seconds since the epoch (UTC)."""

    due_at: float


class GiveUp(msgspec.Struct, frozen=True):
    """Do not try again; `reason` says in one line why."""

    reason: str


def decide(policy: RetryPolicy, attempt: int, error: BaseException, now: float, random: Random) -> RetryAt | GiveUp:
    """Decide after `attempt` (1 is the first) has failed with `error` at `now`."""
    assert attempt >= 1, "attempts count from 1"
    if isinstance(error, policy.permanent):
        return GiveUp(f"{type(error).__name__} is permanent by the service's retry policy")
    if attempt >= policy.attempts:
        return GiveUp(f"attempt {attempt} of {policy.attempts} failed")
    return RetryAt(now + delay_seconds(policy.backoff, attempt, random))
