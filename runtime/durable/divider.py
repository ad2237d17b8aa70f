"""Agrees with the other processes on what each may use of their limits. The rules: `runtime.core.portions`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from runtime.core.portions import Demand, Limit, Plan, Portions, plan
from runtime.durable.demands import Demands
from runtime.errors import StoreUnavailableError
from runtime.store.portions import PortionStore, Stated

LOGGER = logging.getLogger("postroom.portions")

EXCHANGE_SECONDS = 0.25
ATTEMPTS = 3
"""How often in a row it tries to state something before others do."""


class Divider:
    """The part `portions`. A process that is there alone asks and states nothing."""

    def __init__(
        self,
        store: PortionStore,
        incarnation: UUID,
        portions: Portions,
        demands: Demands,
        *,
        apply: Callable[[Collection[Limit] | None], None],
        owned: Callable[[], int],
        sole: Callable[[], bool],
    ) -> None:
        self._store = store
        self._incarnation = incarnation
        self._portions = portions
        self._demands = demands
        self._apply = apply
        self._owned = owned
        self._sole = sole

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            await asyncio.sleep(EXCHANGE_SECONDS)
            if self._sole() and self._portions.whole:
                continue
            try:
                await self.exchange()
            except StoreUnavailableError as error:
                LOGGER.debug("what this process may use stays as it is: %s", error)

    async def exchange(self) -> None:
        """Learn what the others use, and state and use what follows. Raises StoreUnavailableError."""
        for _ in range(ATTEMPTS):
            stated = await self._store.read()
            made = self._plan(stated)
            statement = made.statement
            known = stated.statements.get(self._incarnation)
            if statement == known or await self._store.state(self._incarnation, statement, stated.version):
                self._use(statement.shards, made.parts)
                return

    def _plan(self, stated: Stated) -> Plan:
        """Decide, and use less at once: nothing starts any more that the statement does not count."""
        portions, owned = self._portions, self._owned()
        self._use(min(portions.shards, owned), portions.parts)
        listed = [limit for each in stated.statements.values() for limit in each.claims]
        wanting = self._demands.wanting()
        measured = {limit: self._demands.measure(limit) for limit in (*listed, *portions.parts, *wanting)}
        self._demands.forget_all_but(measured)
        demands = {limit: demand for limit, demand in measured.items() if demand is not None}
        made = plan(self._incarnation, stated.statements, demands, owned=owned, total=portions.total, now=stated.now)
        self._use(min(portions.shards, made.statement.shards), self._lower(made, demands))
        return made

    def _lower(self, made: Plan, demands: Mapping[Limit, Demand]) -> dict[Limit, int]:
        """The smaller one of what is used now and what will be."""
        lower: dict[Limit, int] = {}
        for limit in self._portions.parts.keys() | made.parts.keys():
            if limit in demands:
                units = demands[limit].units
                due = units * made.statement.shards // self._portions.total
                lower[limit] = min(self._portions.units(limit, units), made.parts.get(limit, due))
        return lower

    def _use(self, shards: int, parts: Mapping[Limit, int]) -> None:
        portions = self._portions
        before = portions.parts
        changed = {limit for limit in before.keys() | parts.keys() if before.get(limit) != parts.get(limit)}
        everything = shards != portions.shards
        portions.use(shards, parts)
        if everything or changed:
            self._apply(None if everything else changed)
