"""What a test has services do in place of their handlers: fail, answer, or note what they were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from actors.actor import Actor
from actors.handler import Method, handler_for
from actors.message import Message
from runtime.definition import ServiceDefinition
from runtime.errors import InvalidInputError, UnknownServiceError


class Handled(msgspec.Struct, frozen=True):
    """One call of a handler."""

    service: str
    message: Any
    tenant: str | None
    key: str | None
    attempt: int


class Action(msgspec.Struct):
    """What takes the place of a handler: an error or an answer, so many times, after so many calls that go through."""

    kind: type
    error: Exception | None
    answer: Any
    times: float
    after: int


class Script:
    """The actions of every service, in the order in which they were given; the first that fits a call is taken."""

    def __init__(self, services: Mapping[str, ServiceDefinition]) -> None:
        self._services = services
        self._actions: dict[str, list[Action]] = {name: [] for name in services}
        self._methods: list[tuple[type[Actor], dict[type, Method]]] = []
        self.handled: list[Handled] = []

    def add(self, service: str, action: Action) -> None:
        """Raises UnknownServiceError, InvalidInputError."""
        definition = self._services.get(service)
        if definition is None:
            raise UnknownServiceError(
                f"no service is named {service!r}; there are: {', '.join(sorted(self._services))}"
            )
        if handler_for(definition.actor.handlers, action.kind) is None:
            raise InvalidInputError("message", f"{service} does not take {action.kind.__name__}")
        self._actions[service].append(action)

    def install(self) -> None:
        """Put the script between the services and their handlers."""
        for actor in {definition.actor for definition in self._services.values()}:
            methods = actor._actor_methods  # noqa: SLF001 # the runtime's side of an actor
            self._methods.append((actor, methods))
            actor._actor_methods = {kind: self._wrapped(method) for kind, method in methods.items()}  # noqa: SLF001

    def remove(self) -> None:
        for actor, methods in self._methods:
            actor._actor_methods = methods  # noqa: SLF001 # as above
        self._methods.clear()

    def _wrapped(self, method: Method) -> Method:
        def call(instance: Any, message: Message) -> Any:
            context = instance.ctx
            handled = Handled(context.service, message, context.tenant, context.key, context.attempt)
            self.handled.append(handled)
            action = _take(self._actions[context.service], type(message))
            if action is None:
                return method(instance, message)
            if action.error is not None:
                raise action.error
            return action.answer

        return call


def _take(actions: Iterable[Action], kind: type) -> Action | None:
    for action in actions:
        if not issubclass(kind, action.kind):
            continue
        if action.after > 0:
            action.after -= 1
        elif action.times > 0:
            action.times -= 1
            return action
    return None
