"""What becomes of an event whose handler failed: another attempt later, or a dead letter."""

from __future__ import annotations

import random
import traceback
import types

import msgspec

from actors.context import Clock
from actors.errors import ActorError, RetryLaterError
from actors.job import JobCause
from actors.spec import RetryOrder, RetryPolicy
from runtime.core.retry import Failed, RetryAt, decide
from runtime.core.supervision_errors import describe
from runtime.durable.aborts import AbortedError, add_abort
from runtime.durable.endings import Endings, ResultError
from runtime.durable.held_keys import HeldBack
from runtime.durable.states import UnsavableStateError
from runtime.durable.suspects import TookProcessDownError
from runtime.store.records import Batch, Cause, DeadLetter, Delayed, Entry, Hold, Outcome, OutcomeKind

MAX_STACK_CHARACTERS = 20_000
MAX_MESSAGE_CHARACTERS = 5_000


class UndecodableError(ActorError):
    """A stored event does not decode as a message that its service takes."""


class Failures:
    """Applies one service's retry policy."""

    def __init__(self, policy: RetryPolicy, endings: Endings, clock: Clock, source: random.Random) -> None:
        self._policy = msgspec.structs.replace(
            policy,
            permanent=(*policy.permanent, UndecodableError, UnsavableStateError, TookProcessDownError, ResultError),
        )
        self._endings = endings
        self._clock = clock
        self._random = source

    def tell_of_tenant(self, error: BaseException) -> bool:
        """Whether a failure may be one of what the tenant's events need, not of the event itself."""
        return not isinstance(error, (*self._policy.permanent, RetryLaterError))

    def add(self, batch: Batch, entry: Entry, error: BaseException, started_at: float) -> HeldBack | None:
        """Put the outcome of a failed attempt into `batch`, and the retry or the dead letter with it.

        Where the order of its key is strict and it is tried again, it has no outcome yet: its hold is put there, and
        what of the key is held back is returned.
        """
        now = self._clock.now()
        event = entry.event
        decision = decide(self._policy, Failed(event.attempt, event.accepted_at, now), error, self._random)
        if isinstance(decision, RetryAt):
            text = clean(describe(error))
            if self._policy.order is RetryOrder.STRICT and event.key is not None:
                again = msgspec.structs.replace(event, attempt=event.attempt + 1)
                batch.extra().holds.append(Hold(entry.seq, entry.queue, again.attempt, decision.due_at, text))
                return HeldBack(decision.due_at, [Entry(entry.seq, entry.queue, again)])
            batch.outcomes.append(Outcome(entry.seq, OutcomeKind.RETRY, started_at, now, text))
            again = msgspec.structs.replace(event, attempt=event.attempt + 1)
            batch.delayed.append(Delayed(again, decision.due_at))
        else:
            self.bury(batch, entry, error, started_at, decision.reason)
        return None

    def ended(self, batch: Batch, entry: Entry) -> None:
        """Forget that an entry was held, now that it has come to its end."""
        event = entry.event
        if event.attempt > 1 and event.key is not None and self._policy.order is RetryOrder.STRICT:
            batch.extra().ended_holds.append(entry.seq)

    def abort(self, batch: Batch, entry: Entry, error: AbortedError, started_at: float) -> None:
        """Put the outcome of an event whose handler was cancelled for good into `batch`, and who is told."""
        now = self._clock.now()
        batch.outcomes.append(
            Outcome(entry.seq, OutcomeKind.ABORTED, started_at, now, clean(f"aborted {error.order.text}"))
        )
        add_abort(batch, entry.event, error.order, self._endings, now)

    def bury(self, batch: Batch, entry: Entry, error: BaseException, started_at: float, why: str) -> None:
        """Put the outcome of an event that is not tried again into `batch`, its dead letter, and who is told."""
        now, cause = self._clock.now(), cause_of(error, why)
        batch.outcomes.append(Outcome(entry.seq, OutcomeKind.DEAD, started_at, now, clean(describe(error))))
        batch.dead_letters.append(DeadLetter(entry.event, cause, now))
        self.ended(batch, entry)
        self._endings.ended(batch, entry.event, "failed", JobCause(cause.type, cause.message))


def cause_of(error: BaseException, why: str) -> Cause:
    """Type, message and stack of an exception; the stack names places, never values, and ends with why it was final."""
    lines = traceback.format_exception(type(error), error, _users_part(error.__traceback__))
    return Cause(
        type=_name_of(type(error)),
        message=clean(_message_of(error))[:MAX_MESSAGE_CHARACTERS],
        stack=clean(f"{''.join(lines)}\nNot tried again: {why}.")[-MAX_STACK_CHARACTERS:],
    )


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 # an exception of a user's may fail to show itself
        return ""


def _name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _users_part(stack: types.TracebackType | None) -> types.TracebackType | None:
    """The stack from the handler on: how the runtime got there helps nobody."""
    while stack is not None and stack.tb_next is not None and _is_ours(stack):
        stack = stack.tb_next
    return stack


def _is_ours(stack: types.TracebackType) -> bool:
    return str(stack.tb_frame.f_globals.get("__name__", "")).startswith("runtime.")


def clean(text: str) -> str:
    """Text that PostgreSQL can hold: no NUL, no lone surrogate."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
