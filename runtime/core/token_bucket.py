"""A rate limit: so many events a second, and so many at once."""

from __future__ import annotations

import math

NO_RATE_RETRY_SECONDS = 0.5
"""When to ask again for tokens of which none come in: this process's part of the rate is about to be given to it."""
ASKED_SECONDS = 2.0
"""Over how long the tokens asked for are averaged."""
LEAST_SECONDS = 0.1
"""In less time nothing can be said about how many are asked for."""


class TokenBucket:
    """Tokens come in at `rate` a second, up to `burst` (Turner, 1986; RFC 2697). Times are monotonic seconds.

    Both may be a part of a whole that several processes share.
    """

    __slots__ = ("asked", "at", "burst", "part", "rate", "tokens", "whole")

    def __init__(self, rate: float, burst: float, now: float, part: float = 1.0) -> None:
        self.whole = (rate, burst)
        self.part = part
        self.rate = rate * part
        self.burst = burst * part
        self.tokens = self.burst
        """How many there were at the time `at`."""
        self.at = now
        self.asked = 0
        """How many tokens were asked for, whether there were so many or not. Who reads it sets it back."""

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens and return 0, or take none and return after how many seconds it would succeed.

        More than `burst` at once are taken when the bucket is full, and owed: the rate holds, no call is impossible.
        """
        self.asked += count
        self._refill(now)
        if not self.rate:
            return NO_RATE_RETRY_SECONDS
        wanted = min(float(count), self.burst)
        if self.tokens >= wanted:
            self.tokens -= count
            return 0.0
        return (wanted - self.tokens) / self.rate

    def give_back(self, count: int) -> None:
        """Undo a `take`."""
        self.tokens = min(self.burst, self.tokens + count)

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        return self.tokens + (now - self.at) * self.rate >= self.burst

    def set_part(self, part: float, now: float) -> None:
        """Have so much of the whole from now on. Tokens beyond the smaller burst are lost, none are added."""
        if part != self.part:
            self._refill(now)
            self.part = part
            self.rate, self.burst = (each * part for each in self.whole)
            self.tokens = min(self.tokens, self.burst)

    def _refill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now


class AskedRate:
    """How many of a bucket's tokens are asked for a second: an average that fades, or what it was just now if more."""

    __slots__ = ("_at", "_average", "_fading", "bucket")

    def __init__(self, bucket: TokenBucket, average: float, now: float) -> None:
        """Begin with an average. What the bucket was asked for before does not count."""
        bucket.asked = 0
        self.bucket = bucket
        self._at = now
        self._average = average
        self._fading = average * ASKED_SECONDS

    def observe(self, now: float) -> float:
        """The average at a time, which does not change within `LEAST_SECONDS`."""
        seconds = now - self._at
        if seconds >= LEAST_SECONDS:
            asked, self.bucket.asked = self.bucket.asked, 0
            self._at = now
            self._fading = self._fading * math.exp(-seconds / ASKED_SECONDS) + asked
            self._average = max(self._fading / ASKED_SECONDS, asked / seconds)
        return self._average
