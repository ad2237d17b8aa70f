"""Which steps may run again: not those whose end their saga no longer waits for, as nothing would undo them."""

from __future__ import annotations

import msgspec

from runtime.definition import Rerun
from sagas.coordinator import Sent, instance_of
from sagas.plan import UNDO


def refuse_rerun(rerun: Rerun) -> str | None:
    """Why a step or a compensation must not be sent again.

    One that was done may be, as its effect is wanted anew, unless its saga has gone back.
    """
    place = msgspec.convert(rerun.finalizer.context, Sent).place
    instance = None if rerun.state is None else instance_of(rerun.state)
    if instance is None:
        return (
            None
            if rerun.completed
            else f"the saga {rerun.finalizer.key} is no longer kept, and nothing waits for {place}"
        )
    if place in instance.activities:
        return None
    gone_back = instance.outcome not in {None, "completed"}
    if rerun.completed and (not gone_back or place.endswith(UNDO)):
        return None
    return f"the saga {instance.id} is {instance.status} and waits for {place} no more"
