"""What a service knows of an event that waits in it."""

from __future__ import annotations

from collections.abc import Callable

from runtime.core.explanation import Facts
from runtime.core.fair_share_tenant import E
from runtime.core.scheduler import Scheduler
from runtime.durable.slots import Slots


def facts_of(
    fair: Scheduler[E],
    slots: Slots,
    tenant: str,
    matches: Callable[[E], bool],
    *,
    slots_per_event: int = 1,
    recording: bool = False,
) -> Facts:
    """The facts about the first entry of a tenant that matches. Looks at all that waits of the tenant."""
    found = fair.find(tenant, matches)
    ahead, blocked = (0, False) if found is None else found
    terms = fair.terms(tenant)
    others = [each.weight for each in fair.runnable() if each.tenant != tenant]
    return Facts(
        loaded=found is not None,
        put_back=found is None and fair.is_back(tenant, matches),
        service_hold=slots.held,
        holds=terms.holds,
        blocked_by_key=blocked,
        ahead=ahead,
        share=fair.standing(tenant),
        cap=terms.cap,
        account_full=fair.account_full(tenant),
        slots_per_event=slots_per_event,
        service_room=slots.limit - slots.filled,
        process_room=not slots.pool_is_full,
        process_keeps=slots.pool_keeps,
        recording=recording,
        slots=slots.limit,
        work_class=fair.class_of(tenant, matches),
        weight_part=terms.weight / (terms.weight + sum(others)),
    )
