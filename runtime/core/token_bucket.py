"""A rate limit: so many events a second, and so many at once."""

from __future__ import annotations


class TokenBucket:
    """Tokens come in at `rate` a second, up to `burst` (Turner, 1986; RFC 2697). Times are monotonic seconds."""

    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        """How many there were at the time `at`."""
        self.at = now

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens and return 0, or take none and return after how many seconds it would succeed.

        More than `burst` at once are taken when the bucket is full, and owed: the rate holds, no call is impossible.
        """
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
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
