"""What users write against: actors, messages, references, specifications."""

from actors.actor import Actor
from actors.children import ChildCounts, ChildInfo, Exit
from actors.context import Clock, Context, Place, Timer
from actors.database import Database, Row
from actors.errors import (
    ActorError,
    ActorStoppedError,
    AskCycleError,
    BlockingHandlerError,
    HandlerError,
    HandlerHungError,
    HandlerTimeoutError,
    LinkedActorError,
    MailboxFullError,
    NotARequestError,
    PostroomError,
    RetryLaterError,
    SpecError,
    StartIgnoredError,
    StateError,
    UnhandledMessageError,
    UnreadableStateError,
)
from actors.handler import Handler
from actors.job import Finalizer, JobCause, JobEnded, JobOutcome, Signature, SignatureScope
from actors.mailbox import Bounded, Overflow
from actors.message import Message, ReceiveTimeout, Request, Terminated
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
from actors.supervisor_ref import SupervisorRef
from actors.tree import ActorSpec, DynamicSpec, SupervisorSpec, check_tree

__all__ = [
    "Actor",
    "ActorError",
    "ActorSpec",
    "ActorStoppedError",
    "AskCycleError",
    "AutoShutdown",
    "Backoff",
    "BlockingHandlerError",
    "Bounded",
    "ChildCounts",
    "ChildInfo",
    "Clock",
    "Context",
    "Database",
    "Decider",
    "Directive",
    "DynamicSpec",
    "Exit",
    "Finalizer",
    "Handler",
    "HandlerError",
    "HandlerHungError",
    "HandlerTimeoutError",
    "Intensity",
    "JobCause",
    "JobEnded",
    "JobOutcome",
    "LinkedActorError",
    "MailboxFullError",
    "Message",
    "Metadata",
    "NotARequestError",
    "Overflow",
    "Place",
    "PostroomError",
    "ReceiveTimeout",
    "Ref",
    "Request",
    "Restart",
    "RetryLaterError",
    "RetryPolicy",
    "Row",
    "Signature",
    "SignatureScope",
    "SpecError",
    "StartIgnoredError",
    "StateError",
    "Strategy",
    "Supervision",
    "SupervisorRef",
    "SupervisorSpec",
    "Terminated",
    "Timer",
    "UnhandledMessageError",
    "UnreadableStateError",
    "check_tree",
]
