"""How a job's end is told to its finalizers: by events in the same commit as the outcome.

    done, dead letter, aborted -> outcome + JobEnded for the event's finalizer and for the service's

A finalizer's own message has no finalizer: so the telling ends.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.errors import ActorError
from actors.job import Finalizer, JobCause, JobEnded, JobOutcome
from runtime.durable.headers import Headers, headers_of
from runtime.durable.joined_endings import Ending
from runtime.store.records import Batch, Event, Result


class ResultError(ActorError):
    """What a handler returned cannot be kept: it is no JSON, or larger than the limit. Trying again does not help."""


class Teller(Protocol):
    """Makes the event that tells a finalizer, and says which of them need none."""

    def joins(self, finalizer: Finalizer) -> bool: ...
    def telling(self, job: Event, finalizer: Finalizer, ended: JobEnded) -> Event: ...


class Endings:
    """The ends of one service's jobs: results that it keeps, and its own `finalizer`."""

    def __init__(
        self, teller: Teller, max_result_bytes: int, *, finalizer: Finalizer | None = None, keep_results: bool = False
    ) -> None:
        self._finalizer = finalizer
        self._keep_results = keep_results
        self._teller = teller
        self._max_result_bytes = max_result_bytes

    def concern(self, event: Event) -> bool:
        """Whether a result may have to be kept, or anybody to be told of a job's end. A quick look."""
        return self._keep_results or self._finalizer is not None or event.headers is not None

    def completed(self, batch: Batch, event: Event, result: object) -> list[Ending] | None:
        """Put what a completed job brings about into the batch that holds its outcome.

        Returns who may be told in that very commit, if anybody is. Raises ResultError.
        """
        headers = headers_of(event)
        finalizers = self._finalizers(headers)
        if not finalizers and not self._keep_results:
            return None
        value = None if result is None else self._encode(event, result)
        if self._keep_results and value is not None:
            batch.extra().results.append(Result(event.id, value))
        joining = None
        for finalizer in finalizers:
            if self._teller.joins(finalizer):
                joining = [] if joining is None else joining
                plain = None if value is None else msgspec.json.decode(value)
                joining.append(Ending(event, finalizer, _ended(event, headers, finalizer, "completed", result=plain)))
            else:
                raw = None if value is None else msgspec.Raw(value)
                ending = Ending(event, finalizer, _ended(event, headers, finalizer, "completed", result=raw))
                batch.events.append(self.telling(ending))
        return joining

    def ended(self, batch: Batch, event: Event, outcome: JobOutcome, cause: JobCause) -> None:
        """The same for one that failed for good or was aborted, of which everybody is told by an event."""
        if self.concern(event):
            headers = headers_of(event)
            for finalizer in self._finalizers(headers):
                ending = Ending(event, finalizer, _ended(event, headers, finalizer, outcome, cause=cause))
                batch.events.append(self.telling(ending))

    def telling(self, ending: Ending) -> Event:
        """The event that tells a finalizer."""
        return self._teller.telling(*ending)

    def _finalizers(self, headers: Headers) -> tuple[Finalizer, ...]:
        if headers.ends is not None:
            return ()
        return tuple(filter(None, (headers.finalizer, self._finalizer)))

    def _encode(self, event: Event, result: object) -> bytes:
        try:
            value = msgspec.json.encode(result)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise ResultError(f"the result of {event.service} cannot be encoded as JSON: {error}") from None
        if len(value) > self._max_result_bytes:
            raise ResultError(
                f"the result of {event.service} is {len(value):,} bytes; the limit is {self._max_result_bytes:,}"
            )
        return value


def _ended(
    event: Event,
    headers: Headers,
    finalizer: Finalizer,
    outcome: JobOutcome,
    *,
    result: object = None,
    cause: JobCause | None = None,
) -> JobEnded:
    return JobEnded(
        job=event.id,
        service=event.service,
        key=event.key,
        type=event.type,
        outcome=outcome,
        attempts=event.attempt,
        result=result,
        cause=cause,
        context=finalizer.context,
        origin=event.origin,
        reenqueued=headers.reenqueued,
    )
