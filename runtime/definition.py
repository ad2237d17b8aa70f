"""What a service is: an actor class under a name, with its settings. Checked when it is declared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from actors.actor import Actor
from actors.errors import SpecError
from actors.job import Finalizer, JobEnded
from actors.mailbox import Bounded
from actors.message import DYNAMIC, Message, message_name
from actors.spec import Breaker, Metadata, RetryPolicy, Supervision, require_positive
from actors.state import state_of
from runtime.cells.routing import Routing
from runtime.core.names import NAME
from runtime.core.policy import Policy
from runtime.core.work_classes import (
    WORK_CLASSES,
    ByRunTime,
    BySize,
    WorkClass,
    WorkClasses,
    require_possible,
    require_slots,
)
from runtime.store.records import Event, StoredState

DEFAULT_SLOTS = 16
DEFAULT_INSTANCES = 10_000
DEFAULT_MAX_STATE_BYTES = 256 * 1024
LIMITS = (
    ("slots", 1, 10_000),
    ("chunk_size", 1, 1_000),
    ("instances", 1, 10_000_000),
    ("max_state_bytes", 1, 64 * 1024 * 1024),
)


class Rerun(msgspec.Struct, frozen=True):
    """A job that has ended and is to run again, as the service sees it that its end is told to.

    `state` is that of the actor that is told, None where there is none; `completed` how the job ended.
    """

    event: Event
    finalizer: Finalizer
    state: StoredState | None
    completed: bool


RerunGuard = Callable[[Rerun], str | None]
"""Says why a job must not run again, or None where it may."""


class ServiceDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One service.

    `slots` is how many handlers run at once, `chunk_size` how many events share a database transaction. A keyed service
    has one actor per tenant and key, of which at most `instances` idle ones are kept; any other has one per slot.

    Raises:
        SpecError: a field is out of range or contradicts another.
    """

    name: str
    actor: type[Actor]
    keyed: bool = False
    slots: int = DEFAULT_SLOTS
    chunk_size: int = 1
    slots_per_event: int = 1
    """How many of the slots an event, or a chunk of them, fills: more for work that needs more of the machine."""
    batch: bool = False
    """Whether its events are batch jobs, long ones that go through many records: a profile can have rules for these."""
    classes: WorkClasses | None = None
    """How its events are classed as small, medium, large or unknown work, and which part of the slots is kept for each
    class; None for no classes."""
    work_class: WorkClass = "unknown"
    """The class of the service itself: which of the app's slots are kept for it, if `App.limits` keeps any."""
    instances: int = DEFAULT_INSTANCES
    retry: RetryPolicy = RetryPolicy()
    supervision: Supervision = Supervision()
    metadata: Metadata = Metadata()
    keep_results: bool = False
    """Whether what its handlers return is stored, as JSON, for as long as the log keeps the job."""
    finalizer: Finalizer | None = None
    """Whom to tell how each of its jobs ended."""
    joins_endings: bool = False
    """Whether a `JobEnded` is handled in the commit that ends its job, without an event of its own, where the actor it
    is for rests in this process: its state and what it emits join that commit. For actors with a durable state, whose
    handler of `JobEnded` is a plain method."""
    rerun_guard: RerunGuard | None = None
    """What may refuse that a job runs again whose `Finalizer` is this service: with its dead letter, or in a replay."""
    max_delay_seconds: float | None = None
    """How long its events may be delayed; None for `Settings.max_delay_seconds`."""
    deepens: bool = True
    """Whether what its handlers emit counts as one deeper for `Settings.max_depth`. A coordinator that bounds its own
    length says False."""
    mailbox: Bounded | None = None
    """For messages in memory; events wait in the log."""
    routing: Routing = Routing.ROUND_ROBIN
    """For messages in memory to a service that is not keyed."""
    breaker: Breaker | None = Breaker()
    """When the events of a tenant are parked because most of them fail; None for never."""
    timeout_seconds: float | None = None
    """An async handler that has been at an event for so long is cancelled, and the event has failed."""
    max_state_bytes: int = DEFAULT_MAX_STATE_BYTES
    """An event that leaves its actor a larger durable state, counted in bytes of JSON, fails."""
    idle_seconds: float | None = None
    """A keyed service's actor that had nothing to do for so long, and up to twice that, is stopped until needed."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise SpecError("name", f"{self.name!r} must be a lower-case word of at most 63 letters, digits, - or _")
        _require_actor(self.actor)
        if state_of(self.actor) is not None and not self.keyed:
            raise SpecError("keyed", f"{self.actor.__name__} has a durable state for each tenant and key; make it True")
        for field, low, high in (*LIMITS, ("slots_per_event", 1, self.slots)):
            value = getattr(self, field)
            if not low <= value <= high:
                raise SpecError(field, f"must be between {low} and {high}, not {value}")
        _require_classes(self.work_class, self.classes, self.slots // self.slots_per_event)
        _require_joinable(self.actor, joins=self.joins_endings)
        if self.keyed and self.routing is not Routing.ROUND_ROBIN:
            raise SpecError("routing", "a keyed service has one actor for each key, so there is nothing to choose")
        if self.max_delay_seconds is not None:
            require_positive("max_delay_seconds", self.max_delay_seconds)
        if self.timeout_seconds is not None:
            require_positive("timeout_seconds", self.timeout_seconds)
        if self.idle_seconds is not None:
            require_positive("idle_seconds", self.idle_seconds)
            if not self.keyed:
                raise SpecError("idle_seconds", "is for keyed services; a pool keeps its actors")

    def decoders(self) -> Mapping[str, msgspec.json.Decoder[Any]]:
        """A decoder for each message the service takes, by the message's name."""
        return {
            message_name(kind): msgspec.json.Decoder(dict[str, Any] if kind is dict else kind)
            for kind in self.actor.handlers
        }

    def takes(self) -> Mapping[str, type]:
        """The message classes that the service takes, by the message's name."""
        return {message_name(kind): kind for kind in self.actor.handlers}

    def message_names(self) -> list[str]:
        return sorted(message_name(kind) for kind in self.actor.handlers)


def _require_actor(actor: object) -> None:
    if not (isinstance(actor, type) and issubclass(actor, Actor)):
        raise SpecError("actor", f"must be a class derived from Actor, not {actor!r}")
    if not actor.handlers:
        raise SpecError("actor", f"{actor.__name__} has no handler; annotate a method's parameter with its message")


def require_fitting(service: ServiceDefinition, policy: Policy) -> None:
    """Raise SpecError, naming the field, where a policy of a service means nothing for it."""
    if policy.guarantees is None:
        return
    if service.classes is None:
        raise SpecError("guarantees", f"{service.name} has no classes of work; see the setting classes of a service")
    require_possible("guarantees", service.classes, policy.guarantees)


def _require_classes(own: str, classes: object, slots: int) -> None:
    if own not in WORK_CLASSES:
        raise SpecError("work_class", f"must be one of {', '.join(WORK_CLASSES)}, not {own!r}")
    if classes is None:
        return
    if not isinstance(classes, BySize | ByRunTime):
        raise SpecError("classes", f"must be BySize or ByRunTime, not {classes!r}")
    require_slots("classes.guarantees", classes.guarantees, slots)


def _require_joinable(actor: type[Actor], *, joins: bool) -> None:
    handler = actor.handlers.get(JobEnded)
    if not joins:
        return
    if state_of(actor) is None or handler is None or inspect.iscoroutinefunction(handler.method):
        raise SpecError("joins_endings", f"{actor.__name__} needs a durable state and a plain handler of JobEnded")


class Codec:
    """Messages of one service to JSON and back."""

    def __init__(self, definition: ServiceDefinition) -> None:
        self._decoders = definition.decoders()
        self.encode: Callable[[Message], bytes] = msgspec.json.Encoder().encode
        self._names: dict[type, str] = {}
        self._results = {message_name(kind): handler.returns for kind, handler in definition.actor.handlers.items()}
        self.names = definition.message_names()

    def name_of(self, message: Message) -> str | None:
        """The name of a message's class, or None where the service does not take it."""
        kind = type(message)
        name = self._names.get(kind)
        if name is None and (name := self._find_name(kind)) is not None:
            self._names[kind] = name
        return name

    def decode(self, name: str, payload: bytes) -> Message:
        """Raises KeyError for a name the service does not take, msgspec.DecodeError for a payload that does not fit."""
        return self._decoders[name].decode(payload)  # type: ignore[no-any-return] # decoders of messages alone

    def result_type(self, name: str) -> Any:
        """What the handler of a message is annotated to return; `Any` for nothing in particular."""
        return self._results.get(name, Any)

    def _find_name(self, kind: type) -> str | None:
        names = (DYNAMIC if base is dict else base.__name__ for base in kind.__mro__ if base is not object)
        return next((name for name in names if name in self._decoders), None)

    def decode_event(self, event: Event) -> Message:
        return self._decoders[event.type].decode(event.payload)  # type: ignore[no-any-return] # as `decode`
