"""The breakers of a service at work: they hold tenants in its fair share, and try them again in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from actors.context import Clock
from actors.spec import Breaker
from runtime.core.breaker import Breakers, BreakerState, BreakerView

LOGGER = logging.getLogger("postroom.breaker")

HOLD = "breaker"
"""For what reason it holds a tenant."""


class TenantBreakers:
    """See `runtime.core.breaker`. `hold` and `release` are those of the service, told tenant and reason."""

    def __init__(
        self,
        service: str,
        policy: Breaker,
        clock: Clock,
        hold: Callable[[str, str], None],
        release: Callable[[str, str], None],
    ) -> None:
        self._service = service
        self._breakers = Breakers(policy)
        self._clock = clock
        self._hold = hold
        self._release = release
        self._timer: asyncio.TimerHandle | None = None

    @property
    def watching(self) -> bool:
        return self._breakers.watching

    @property
    def probing(self) -> bool:
        return bool(self._breakers.probing)

    def start(self) -> None:
        """Go on after the service has stopped, with what it knows."""
        self._breakers.restart(self._clock.now())
        self._set_timer()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def took(self, tenant: str) -> None:
        """A chunk of a tenant starts: if it is one that shows how the tenant fares, no other may."""
        if tenant in self._breakers.probing:
            self._breakers.took(tenant)
            self._hold(tenant, HOLD)

    def record(self, tenant: str, succeeded: int, failed: int, reason: str) -> None:
        """A chunk of a tenant has ended."""
        now = self._clock.now()
        match self._breakers.record(tenant, succeeded, failed, now, reason):
            case BreakerState.OPEN:
                self._hold(tenant, HOLD)
                self._set_timer()
                pause = (self._breakers.next_due() or now) - now
                LOGGER.warning(
                    "%s: the events of tenant %s are parked, for %.0f s at first, as most of them failed; last: %s",
                    self._service,
                    tenant,
                    pause,
                    reason,
                )
            case BreakerState.CLOSED:
                LOGGER.info("%s: the events of tenant %s succeed again", self._service, tenant)
                self._release(tenant, HOLD)
            case _:
                pass

    def close(self, tenant: str) -> bool:
        """Let a tenant go on, by somebody's order; False if it was not parked."""
        was_open = self._breakers.close(tenant)
        if was_open:
            self._release(tenant, HOLD)
        return was_open

    def views(self) -> list[BreakerView]:
        return sorted(self._breakers.views(), key=lambda view: view.tenant)

    @property
    def next_due(self) -> float | None:
        """When the next tenant is tried again."""
        return self._breakers.next_due()

    def look(self) -> None:
        """Let those be tried again that are due."""
        for tenant in self._breakers.due(self._clock.now()):
            self._release(tenant, HOLD)
        self._set_timer()

    def _set_timer(self) -> None:
        self.stop()
        due = self._breakers.next_due()
        if due is not None:
            seconds = max(0.0, due - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(seconds, self.look)
