"""The actor that runs one saga: its key is the saga's id, its durable state where the saga stands.

    Begin, JobEnded, Happened -> machine -> commands -> events, emitted in the commit that saves the state

So what a saga decided and what it brought about are on disk together or not at all. A step is a job of its service
whose finalizer is the saga; its end is told by an event in the commit that ends it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar

import msgspec

from actors import Actor, Finalizer, JobEnded
from runtime.errors import ConflictError, InvalidInputError, NotFoundError, UnknownServiceError
from runtime.store.records import StoredState
from sagas.catalog import Catalog
from sagas.definition import ONE_YEAR_SECONDS
from sagas.errors import RefusedError
from sagas.machine import (
    Command,
    Discard,
    Done,
    Due,
    Event,
    Failed,
    Finish,
    Instance,
    Send,
    StartChild,
    Status,
    Tell,
    Undone,
    Wake,
    begin,
    handle,
)
from sagas.messages import Begin, Happened, Superseded
from sagas.plan import Plan
from sagas.repetition import other_start

SAGAS = "sagas"
"""The service's name."""
MAX_CAUSE_CHARACTERS = 2_000


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """What comes back with the end of a step: its place and which send it was."""

    place: str
    attempt: int


class SagaState(msgspec.Struct):
    """What is stored of one saga; nothing before it began."""

    instance: Instance | None = None


class Coordinator(Actor):
    """See the module. Each app's sagas derive a class of their own that knows the app's catalog."""

    catalog: ClassVar[Catalog]
    state: SagaState

    def state_label(self) -> str | None:
        instance = self.state.instance
        return None if instance is None else label_of(instance.saga, instance.status)

    def state_ended(self) -> bool:
        return self.state.instance is not None and self.state.instance.ended

    def begin(self, message: Begin) -> Coroutine[Any, Any, None] | None:
        """Plain where the plan is at hand, so that a new saga can begin in the commit that starts it."""
        if self.state.instance is not None:
            self._refuse_other(self.state.instance, message)
            return None
        version = message.version or self.catalog.current_at_hand(message.saga)
        plan = None if version is None else self.catalog.plan_at_hand(message.saga, version)
        if version is None or plan is None:
            return self._begin_later(message)
        self._begin(plan, version, message)
        return None

    def _refuse_other(self, instance: Instance, message: Begin) -> None:
        """Starts that come at once are all accepted, and the first decides."""
        problem = other_start(instance, message.saga, message.version, message.input)
        if problem is not None:
            instance.note(self.ctx.clock.now(), "refused", "", f"another start by {message.by}: {problem}")

    async def _begin_later(self, message: Begin) -> None:
        try:
            version = message.version or await self.catalog.current(message.saga)
            plan = await self.catalog.plan(message.saga, version)
        except NotFoundError as error:
            if message.parent is None:
                raise
            parent, place, attempt = message.parent
            self._tell(parent, Failed(place, attempt, str(error), permanent=True))
            return
        self._begin(plan, version, message)

    def _begin(self, plan: Plan, version: int, message: Begin) -> None:
        ctx = self.ctx
        self.state.instance, commands = begin(
            plan,
            message.input,
            instance_id=ctx.key or "",
            version=version,
            tenant=ctx.tenant or "",
            by=message.by,
            now=ctx.clock.now(),
            parent=message.parent,
        )
        self._carry_out(plan, self.state.instance, commands)

    def step_ended(self, ended: JobEnded) -> Coroutine[Any, Any, None] | None:
        """Plain where the plan is at hand, so that it can join the commit of the step."""
        sent = Sent(*ended.context)
        if ended.outcome == "completed":
            return self._take(Done(sent.place, ended.result))
        why = f"{ended.outcome}: {ended.cause.type}: {ended.cause.message}" if ended.cause else ended.outcome
        cause = why[:MAX_CAUSE_CHARACTERS]
        letter = ended.job if ended.outcome == "failed" else None
        permanent = ended.outcome == "aborted"
        return self._take(Failed(sent.place, sent.attempt, cause, permanent=permanent, letter=letter))

    def happened(self, message: Happened) -> Coroutine[Any, Any, None] | None:
        return self._take(message.event)

    async def superseded(self, message: Superseded) -> None:
        by, reason = f"saga {self.ctx.key}", f"{message.place} was done since"
        for letter in message.letters:
            with contextlib.suppress(ConflictError, NotFoundError):  # a person was there first
                await self.catalog.running.operations.discard(letter, by=by, reason=reason)

    def _take(self, event: Event) -> Coroutine[Any, Any, None] | None:
        instance = self.state.instance
        if instance is None:
            self._take_early(event)
            return None
        plan = self.catalog.plan_at_hand(instance.saga, instance.version)
        if plan is None:
            return self._take_later(event, instance)
        self._handle(plan, instance, event)
        return None

    def _take_early(self, event: Event) -> None:
        if isinstance(event, Undone):
            gone = "its history is no longer kept, so that it cannot be undone"
            self._tell(event.parent, Failed(event.place, event.attempt, gone, permanent=True))
        else:
            self.ctx.log.warning("%s is told to a saga that has not begun", type(event).__name__)

    async def _take_later(self, event: Event, instance: Instance) -> None:
        self._handle(await self.catalog.plan(instance.saga, instance.version), instance, event)

    def _handle(self, plan: Plan, instance: Instance, event: Event) -> None:
        now = self.ctx.clock.now()
        try:
            self._carry_out(plan, instance, handle(plan, instance, event, now))
        except RefusedError as error:
            instance.note(now, "refused", "", f"{type(event).__name__}: {error}")

    def _carry_out(self, plan: Plan, instance: Instance, commands: Iterable[Command]) -> None:
        """Bring about what the machine wants. A step that cannot even be sent has failed."""
        todo = list(commands)
        for command in todo:  # it grows by what a failure leads to
            try:
                self._do(instance, command)
            except (InvalidInputError, UnknownServiceError, KeyError) as error:
                if not isinstance(command, Send | StartChild):
                    raise
                failed = Failed(command.place, command.attempt, f"cannot be sent: {error}", permanent=True)
                todo.extend(handle(plan, instance, failed, self.ctx.clock.now()))

    def _do(self, instance: Instance, command: Command) -> None:
        match command:
            case Send():
                self._send(instance, command)
            case Finish():
                pass  # the state says it
            case StartChild():
                begin = Begin(
                    command.saga,
                    command.input,
                    f"saga {instance.saga}",
                    parent=(instance.id, command.place, command.attempt),
                )
                self.ctx.emit(SAGAS, begin, key=command.child)
            case Tell():
                self._tell(command.instance, command.event)
            case Discard():
                superseded = Superseded(command.place, command.letters)
                self.ctx.emit(SAGAS, superseded, key=instance.id)
            case Wake():
                delay = min(max(0.0, command.due_at - self.ctx.clock.now()), ONE_YEAR_SECONDS)  # set again until then
                due = Happened(Due(command.place, command.timer))
                self.ctx.emit(SAGAS, due, key=instance.id, delay_seconds=delay)

    def _send(self, instance: Instance, command: Send) -> None:
        message = self.catalog.message(command.service, command.message, command.payload)
        key = command.key
        if key is None and self.catalog.is_keyed(command.service):
            key = instance.id
        self.ctx.emit(
            command.service,
            message,
            key=key,
            finalizer=Finalizer(service=SAGAS, key=instance.id, context=Sent(command.place, command.attempt)),
            idempotency_key=command.idempotency_key,
        )

    def _tell(self, instance_id: str, event: Any) -> None:
        self.ctx.emit(SAGAS, Happened(event), key=instance_id)


def label_of(saga: str, status: Status) -> str:
    """The word by which sagas can be listed."""
    return f"{saga}:{status}"


def instance_of(state: StoredState) -> Instance | None:
    """The saga in a stored state, None before it began."""
    return msgspec.json.decode(state.payload, type=SagaState).instance
