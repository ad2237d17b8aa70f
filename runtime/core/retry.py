"""What becomes of an event whose handler raised: tried again later, or given up."""

from __future__ import annotations

from random import Random

import msgspec

from actors.errors import RetryLaterError
from actors.spec import DEFAULT_RETRY_BACKOFF, RetryPolicy
from runtime.core.backoff import delay_seconds


class RetryAt(msgspec.Struct, frozen=True):
    """Try again at `due_at`, in seconds since the epoch (UTC)."""

    due_at: float


class GiveUp(msgspec.Struct, frozen=True):
    """Do not try again; `reason` says in one line why."""

    reason: str


class Failed(msgspec.Struct, frozen=True):
    """An attempt (1 is the first) at an event accepted at `accepted_at` that has failed at `now`."""

    attempt: int
    accepted_at: float
    now: float


def decide(policy: RetryPolicy, failed: Failed, error: BaseException, random: Random) -> RetryAt | GiveUp:
    """Decide what follows a failure."""
    attempt = failed.attempt
    assert attempt >= 1, "attempts count from 1"
    if isinstance(error, policy.permanent):
        return GiveUp(f"{type(error).__name__} is permanent by the service's retry policy")
    if attempt >= policy.limit:
        return GiveUp(f"attempt {attempt} of {policy.limit} failed")
    due_at = error.due_at(failed.now) if isinstance(error, RetryLaterError) else _due_at(policy, failed, random)
    if policy.deadline_seconds is not None and due_at > failed.accepted_at + policy.deadline_seconds:
        return GiveUp(
            f"attempt {attempt} of {policy.limit} failed, and the next one would come later than"
            f" {policy.deadline_seconds:g} s after the event was accepted"
        )
    return RetryAt(due_at)


def _due_at(policy: RetryPolicy, failed: Failed, random: Random) -> float:
    if policy.intervals:
        return failed.now + policy.intervals[min(failed.attempt, len(policy.intervals)) - 1]
    return failed.now + delay_seconds(policy.backoff or DEFAULT_RETRY_BACKOFF, failed.attempt, random)
