"""What users write against: actors, messages, references, specifications."""

from actors.actor import Actor
from actors.context import Clock, Context, Place
from actors.database import Database, Row
from actors.errors import (
    ActorError,
    ActorStoppedError,
    HandlerError,
    NotARequestError,
    PostroomError,
    SpecError,
    UnhandledMessageError,
)
from actors.handler import Handler
from actors.message import Message, Request
from actors.ref import Ref
from actors.spec import (
    AutoShutdown,
    Backoff,
    Decider,
    Directive,
    Intensity,
    Metadata,
    Restart,
    RetryPolicy,
    Strategy,
    Supervision,
)

__all__ = [
    "Actor",
    "ActorError",
    "ActorStoppedError",
    "AutoShutdown",
    "Backoff",
    "Clock",
    "Context",
    "Database",
    "Decider",
    "Directive",
    "Handler",
    "HandlerError",
    "Intensity",
    "Message",
    "Metadata",
    "NotARequestError",
    "Place",
    "PostroomError",
    "Ref",
    "Request",
    "Restart",
    "RetryPolicy",
    "Row",
    "SpecError",
    "Strategy",
    "Supervision",
    "UnhandledMessageError",
]
