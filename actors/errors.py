"""Errors a caller can meet, all below one base."""

from __future__ import annotations


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
