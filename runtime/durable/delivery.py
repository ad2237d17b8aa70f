"""One attempt at a durable event, on its way through an actor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from actors.context import Context
from actors.message import Message
from runtime.context import EventContext, Surroundings, Transactional
from runtime.store.records import Entry


class Run(Transactional, Protocol):
    """The chunk that a delivery belongs to."""

    @property
    def now(self) -> Callable[[], float]: ...
    @property
    def monotonic(self) -> Callable[[], float]: ...
    def succeeded(self, delivery: Delivery, result: object) -> None: ...
    def failed(self, delivery: Delivery, error: BaseException) -> None: ...
    def abandoned(self) -> None: ...


class Delivery(EventContext):
    """Mail that carries an event, and the context in which it is handled: one object for each event.

    Its failure is charged to the event, not to the actor.
    """

    __slots__ = ("_began", "_run", "entry", "event", "message", "run_seconds", "started_at")

    explains_failure = True

    def __init__(self, run: Run, entry: Entry, message: Message) -> None:
        self._run = self._transaction = run
        self._event = self.event = event = entry.event
        self._open = True
        self.event_id = event.id
        self.attempt = event.attempt
        self.emitted = []
        self.entry = entry
        self.message = message
        self._began = run.monotonic()
        self.started_at = 0.0
        self.run_seconds = 0.0

    @property
    def actor(self) -> Any:
        """The instance that handles it."""
        return self._surroundings.instance

    def open(self, surroundings: Surroundings) -> Context:
        run = self._run
        self._surroundings = surroundings
        self.started_at = run.now()
        self._began = run.monotonic()
        return self

    def pause(self) -> float:
        """How long its handler has run since it began, or went on."""
        return self._run.monotonic() - self._began

    def go_on(self) -> None:
        """What passed since `pause` is not charged."""
        self._began = self._run.monotonic()

    def succeed(self, result: object) -> None:
        run = self._run
        self.run_seconds = run.monotonic() - self._began
        self._open = False
        run.succeeded(self, result)

    def fail(self, error: BaseException) -> None:
        self.run_seconds = self._run.monotonic() - self._began
        self._open = False
        self._run.failed(self, error)

    def abandon(self, error: BaseException) -> None:  # noqa: ARG002 # the event stays in the log
        self._open = False
        self._run.abandoned()
