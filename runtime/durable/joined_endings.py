"""The end of a job that is handled in the commit that ends the job, instead of by an event of its own.

    job done -> its finalizer's actor is at rest here? -> handled here and now: its state and what it emits join
             -> else, or if it fails: an event, as for any finalizer

Only where the outcome goes through the journal. See `runtime.durable.at_once`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from actors.job import Finalizer, JobEnded
from runtime.durable.at_once import handle_at_once, may_begin
from runtime.store.records import Batch, Event

if TYPE_CHECKING:
    from runtime.durable.service import Service


class Ending(NamedTuple):
    """What a finalizer is to be told of a job."""

    job: Event
    finalizer: Finalizer
    ended: JobEnded


def join(service: Service, ending: Ending, batch: Batch) -> bool:
    """Have the actor that a finalizer names handle a job's end, and put what comes of it into the job's batch.

    False where that is not possible now; nothing has changed then.
    """
    job, key = ending.job, ending.finalizer.key or ending.job.key
    if key is None or not may_begin(service, job.tenant, key):
        return False
    cell = service.instances.at_rest(job.tenant, key)
    return cell is not None and handle_at_once(service, cell, _event_of(service, job, key), ending.ended, batch)


def _event_of(service: Service, job: Event, key: str) -> Event:
    """What the context of the handler tells of: the job, as one of the finalizer's own events."""
    return Event(  # every field by name: half the time of `replace`
        job.id,
        service.definition.name,
        job.tenant,
        key,
        job.type,
        job.payload,
        job.accepted_at,
        job.enqueued_by,
        1,
        job.cause,
        job.origin,
        job.depth,
    )
