"""How many slots the policies allow, of the whole deployment and of this process."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from runtime.core.policy import Scope
from runtime.core.policy_book import PolicyBook
from runtime.core.portions import Limit, Portions


class Part(msgspec.Struct, frozen=True):
    """What this process may fill of a cap that several processes share."""

    slots: int
    of: int

    def __str__(self) -> str:
        return f"{self.slots:,} of the deployment's {self.of:,} slots are this process's part"


class Caps:
    """The caps of a book. `costs` are the slots that an event of each service fills."""

    def __init__(self, book: PolicyBook, costs: Mapping[str, int], portions: Portions) -> None:
        self._book = book
        self._costs = costs
        self._portions = portions

    def whole(self, limit: Limit) -> int | None:
        """The deployment's; None if there is none.

        Within a service it is at least what one event fills, so that a cap slows work down and never stops it.
        """
        service, tenant = limit.service, limit.tenant
        if service is None:
            return self._book.at(limit.scope).slots
        if service not in self._costs:
            return None
        slots = self._book.at(limit.scope).slots if tenant is None else self._book.share(service, tenant).slots
        return None if slots is None else max(slots, self._costs[service])

    def unit(self, limit: Limit) -> int:
        """In multiples of how many slots a cap is divided: what an event fills, of all services the one with most."""
        if limit.service is not None:
            return self._costs[limit.service]
        whole = self.whole(limit) or 1
        return max((cost for cost in self._costs.values() if cost <= whole), default=1)

    def here(self, limit: Limit) -> int | None:
        """This process's; None if there is no cap."""
        whole = self.whole(limit)
        return None if whole is None else self._portions.slots(limit, whole, self.unit(limit))

    def part(self, limit: Limit) -> Part | None:
        """This process's and the deployment's; None where it is the same."""
        whole, here = self.whole(limit), self.here(limit)
        return None if whole is None or here is None or here == whole else Part(here, whole)

    def is_divided(self, limit: Limit) -> bool:
        """Whether this process uses another part than that by its shards."""
        return limit in self._portions.parts

    def divided_tenants(self, service: str | None = None) -> set[str]:
        """Tenants of which that holds of any cap, or of that within a service."""
        return {
            limit.tenant
            for limit in self._portions.parts
            if limit.kind == "slots" and limit.tenant is not None and service in {None, limit.service}
        }


APP = Limit("slots")


def of_service(service: str) -> Limit:
    return Limit("slots", service)


def of_tenant(tenant: str, service: str | None = None) -> Limit:
    """Of a tenant in a service, or over all services."""
    return Limit("slots", service, tenant)


def limit_of(scope: Scope) -> Limit:
    """The rate of a scope."""
    return Limit("rate", scope.service, scope.tenant)
