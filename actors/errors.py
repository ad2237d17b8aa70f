"""Errors a caller can meet, all below one base."""

from __future__ import annotations

import math


class PostroomError(Exception):
    """Base of every error raised on purpose by this distribution.

    The text is one line that says what is wrong and what to do about it.
    """


class ActorError(PostroomError):
    """Base of the errors about actors, their messages and their specifications."""


class SpecError(ActorError, ValueError):
    """A specification contradicts itself or is out of range. `field` names the part that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class HandlerError(ActorError, TypeError):
    """An actor class cannot be used: its handlers are ambiguous, unreachable or cannot be resolved."""


class UnhandledMessageError(ActorError):
    """An actor was sent a message that none of its handlers takes."""


class NotARequestError(ActorError, TypeError):
    """An actor was asked with a message that is no `Request`, so that there is nothing to wait for."""


class ActorStoppedError(ActorError):
    """The actor addressed has stopped and will not answer."""


class MailboxFullError(ActorError):
    """A bounded mailbox has no room, and its policy is not to drop."""

    def __init__(self, path: str, capacity: int) -> None:
        super().__init__(f"{path}: the mailbox is full ({capacity} messages); await send() to wait for room")
        self.path = path
        self.capacity = capacity


class StartIgnoredError(ActorError):
    """To be raised by `on_start`: the actor need not run now. No failure, as OTP's `ignore`; a request can start it.

    For actors in trees. A child that is spawned so is not there, and who spawns it is told.
    """


class AskCycleError(ActorError):
    """An ask would wait for itself. `cycle` is the paths of the actors that wait for each other, in order."""

    def __init__(self, cycle: tuple[str, ...]) -> None:
        super().__init__(
            f"these actors would wait for each other for ever: {' -> '.join(cycle)}; use tell for one of them"
        )
        self.cycle = cycle


class HandlerHungError(ActorError, TimeoutError):
    """A handler made no progress within its limit and was cancelled."""

    def __init__(self, path: str, message: str, seconds: float) -> None:
        super().__init__(f"{path}: the handler of {message} made no progress for {seconds:g} s and was cancelled")
        self.path = path
        self.seconds = seconds


class StateError(ActorError):
    """A durable state cannot be kept as it is. `field` names the part that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnreadableStateError(StateError):
    """What is stored is no state of this actor, so that none of its handlers can run. It stays as it is."""


class HandlerTimeoutError(ActorError, TimeoutError):
    """The handler of an event took longer than its service allows, and was cancelled."""

    def __init__(self, actor: str, message: str, seconds: float) -> None:
        super().__init__(f"{actor}: the handler of {message} took longer than {seconds:g} s and was cancelled")
        self.seconds = seconds


class CalloutsError(ActorError):
    """A handler may not wait for callouts now, or not for these. Nothing was called."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"callouts: {problem}")


class CalloutTimeoutError(ActorError, TimeoutError):
    """A callout took too long and was cancelled."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the callout took longer than {seconds:g} s and was cancelled")
        self.seconds = seconds


class RetryLaterError(ActorError):
    """Raised by the handler of an event, to have it tried again after a pause of its own choice.

    The pause is `after_seconds` from now, or ends at a time `at` in seconds since the epoch (UTC). It takes the place
    of that of the retry policy; all else in it holds. The attempt counts as one that failed, so that this ends.

    Raises:
        SpecError: not exactly one of the two is given, or it is not a number, or is below 0.
    """

    def __init__(self, reason: str = "", *, after_seconds: float | None = None, at: float | None = None) -> None:
        if (after_seconds is None) == (at is None):
            raise SpecError("after_seconds", "or at: give one of them")
        for field, value in (("after_seconds", after_seconds), ("at", at)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise SpecError(field, f"must be a number from 0 up, not {value}")
        when = f"after {after_seconds:g} s" if after_seconds is not None else f"at {at:.3f}"
        super().__init__(f"{reason or 'the handler asked for it'} (again {when})")
        self.after_seconds = after_seconds
        self.at = at

    def due_at(self, now: float) -> float:
        """When to try again."""
        return now + self.after_seconds if self.after_seconds is not None else max(now, self.at or 0.0)


class LinkedActorError(ActorError):
    """An actor that this one is linked to has crashed."""

    def __init__(self, path: str, linked: str, reason: str) -> None:
        super().__init__(f"{path}: the actor it is linked to, {linked}, crashed: {reason}")
        self.path = path
        self.linked = linked


class BlockingHandlerError(ActorError):
    """A handler kept the event loop from everybody else. Reported in development mode."""

    def __init__(self, path: str, where: str, seconds: float) -> None:
        super().__init__(
            f"{path}: blocked the event loop for {seconds:.3f} s{where}; use asyncio.to_thread or an async library"
        )
        self.path = path
        self.seconds = seconds
